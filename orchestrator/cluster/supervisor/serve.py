"""The supervisor as a process."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path

from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.cluster.paths import cluster_state
from orchestrator.cluster.scheduling.settings import require_dask
from orchestrator.cluster.supervisor.background import being_the_supervisor, give_up
from orchestrator.cluster.supervisor.supervise import supervise
from orchestrator.cluster.supervisor.way import ssh_ways
from orchestrator.deadline import Cancellation
from orchestrator.errors import LabError


def main() -> None:
    """Be the supervisor of the hosts file named on the command line. Ends with status 3 if it cannot be."""
    stop = Cancellation()

    def end(*_: object) -> None:
        # In a thread: the handler may have interrupted the one that holds the cancellation's lock.
        threading.Thread(target=stop.cancel).start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    file = Path(sys.argv[-1])
    folder = cluster_state(file)
    try:
        require_dask()
        cluster = load_hosts(file)
        with being_the_supervisor(folder, cluster.file):
            supervise(cluster, folder, ssh_ways(folder), stop, _say)
    except LabError as problem:
        _say(problem.describe())
        give_up(folder)
        sys.exit(int(problem.exit_code))


def _say(words: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {words}", flush=True)
