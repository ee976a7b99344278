"""The in-process sandbox: this host, with the privileges a program can drop by itself dropped.

No namespaces: the runner drops every capability, sets no_new_privs, adds Landlock rules where
the kernel has them and a seccomp filter, then starts the program (images/guest/sandbox.c).
"""

from orchestrator.drivers.host_process import HostProcessDriver

DRIVER = HostProcessDriver("sandbox", ("--sandbox",))
