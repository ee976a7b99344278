"""Machines that stay, on the hosts of a cluster: each is a session's machine of the isolab on its host, and the
controller knows which host that is."""
