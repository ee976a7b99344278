"""Sessions on the hosts of a cluster: each machine is one of the isolab on its host, and the controller knows
which host that is."""
