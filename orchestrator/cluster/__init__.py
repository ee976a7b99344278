"""Several hosts: the same lab and the same verbs on each of them, driven from one.

By the way of the data: ``hostfile`` (hosts.yaml, checked), ``placement`` (which job on which host),
``reach`` (SSH to a host), ``install`` (the same isolab there), ``bundle`` (a lab as one file), ``agent``
(what owns guests on a host), ``scheduling`` (Dask's scheduler, workers and the engine), ``supervisor``
(what keeps all of them up), ``warm`` (images and templates), and the verbs.
"""
