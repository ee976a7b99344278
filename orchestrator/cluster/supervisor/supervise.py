"""A thread for the scheduler and one for each host, until the supervisor is to stop."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from orchestrator.cluster.model import Cluster
from orchestrator.cluster.paths import STATUS
from orchestrator.cluster.supervisor.keep_host import HostKeeper
from orchestrator.cluster.supervisor.keep_scheduler import SchedulerKeeper
from orchestrator.cluster.supervisor.state_file import Board
from orchestrator.cluster.supervisor.watch_scheduler import SchedulerWatcher
from orchestrator.cluster.supervisor.way import Ways
from orchestrator.deadline import Cancellation

Say = Callable[[str], None]


def supervise(cluster: Cluster, folder: Path, ways: Ways, stop: Cancellation, say: Say) -> None:
    """Keep a cluster up until ``stop`` is cancelled; then end its workers and its scheduler."""
    say(f"supervising {cluster.file}")
    board = Board(folder, tuple(host.name for host in cluster.hosts))
    keepers: list[Callable[[], None]] = [
        SchedulerWatcher(cluster.scheduler, board, stop, say).run
        if cluster.scheduler
        else SchedulerKeeper(folder, board, stop, say).run
    ]
    keepers += [HostKeeper(host, folder, ways, board, stop, say).run for host in cluster.hosts]
    try:
        with _threads(keepers, stop, say):
            while not stop.wait(3600.0):
                pass
    finally:
        (folder / STATUS).unlink(missing_ok=True)
        say("ended")


@contextlib.contextmanager
def _threads(works: Sequence[Callable[[], None]], stop: Cancellation, say: Say) -> Iterator[None]:
    """Do all of this at once for a ``with`` block. A mistake of ours in one of them ends everything: a
    supervisor that is half there would be waited for."""

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as failure:  # noqa: BLE001 - said, and everything ends
            say(f"isolab failed: {type(failure).__name__}: {failure}")
            stop.cancel()

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.cancel()
        for thread in threads:
            thread.join()
