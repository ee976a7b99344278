"""What keeps a cluster up: one process on the controller, started detached, which owns no machine.

``background`` (starting and stopping it), ``serve`` (the process), ``supervise``, ``keep_scheduler`` (or
``watch_scheduler``: somebody else's) and ``keep_host`` (a thread each: start, watch, start again), ``way``
(to a host, by SSH), ``pauses`` (between tries), ``state_file`` (what is up, for everybody else).
"""

from orchestrator.cluster.supervisor.background import start, stop, wait_until_settled
from orchestrator.cluster.supervisor.state_file import ClusterStatus, HostStatus, State, status

__all__ = ["ClusterStatus", "HostStatus", "State", "start", "status", "stop", "wait_until_settled"]
