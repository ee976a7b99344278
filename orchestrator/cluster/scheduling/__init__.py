"""Dask's scheduler and workers, which place units on hosts and carry their lines, and the engine on top.

``settings`` (Dask's, with reasons), ``certificates`` (who may talk to whom), ``peers`` (what each may say),
``unpickling`` (what may come out of a message), ``scheduler`` and ``worker`` (the processes), ``work`` (what
a worker does), ``orders`` (signed by the controller), ``ledger`` (which lines count), ``engine``.
"""
