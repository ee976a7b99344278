"""SSH to a host of a cluster: one master connection of the system's client, and all else over it.

``command_line`` says how ssh is called, ``connection`` opens the master and runs commands over it,
``forwards`` carries ports, ``complaints`` says in words why ssh does not get there, ``clock``
compares clocks.
"""
