"""The verbs of a cluster, on the controller and on its hosts."""
