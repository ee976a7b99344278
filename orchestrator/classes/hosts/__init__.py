"""A class's machines on the hosts of a cluster: which host has whom, what it said last, and the way there.

The isolab of each host carries out its part of the class (``classes/part.py``); see
docs/adr/0045-class-on-hosts.md.
"""
