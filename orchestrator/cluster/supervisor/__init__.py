"""What keeps a cluster up: one process on the controller, started detached, which owns no machine.

``background`` (starting and stopping it), ``serve`` (the process), ``supervise``, ``keep_scheduler`` and ``keep_host`` (a
thread each: start, watch, start again), ``way`` (to a host, by SSH), ``pauses`` (between tries), ``status``
(what is up, as a file), ``view`` (what the engine reads of it).
"""
