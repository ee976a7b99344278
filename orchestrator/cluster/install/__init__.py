"""The same isolab on a host of a cluster, with nothing there but Python and an SSH server.

By the way of the data: ``probe`` (which Python is there, what it has already), ``parts`` (what isolab
consists of: itself and the packages it needs), ``pack`` (a part as one archive), ``version`` (which parts
make an installation, and its digest), ``send`` (what is missing goes there, is checked and tried once).
``inside`` are the programs that run there.
"""
