"""Thawed machines: an emulator that was booted, rehearsed, stopped and written to a file, mapped again for
each machine.

The way of the data: ``parts`` compiles what stops and thaws; ``freeze`` rehearses a clone of a template and
stops its emulator, ``descriptors`` and ``memory_map`` read what the kernel knows of it, ``image_file``
writes that down; ``identity`` says for which host it is good; ``start`` makes a machine of it. Reasons:
docs/adr/0046.
"""
