"""What may come out of a pickle: Dask's messages have some, and a pickle may name any function to call.

A host that was taken over must not run code on the controller, nor on another host. So in every process of a
cluster only these names are found, all others are refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

WORK = "orchestrator.cluster.scheduling.work.work"
_CALL = frozenset({WORK, "dask._task_spec.Task"})
"""What a submitted call is made of."""
SCHEDULER = _CALL | {"dask._expr.LLGExpr", "dask._expr.Expr._reconstruct", "builtins.str"}
WORKER = _CALL
CONTROLLER = frozenset(
    {
        "builtins.str",
        # What the scheduler says of a task that cannot run, and how exceptions are pickled.
        "distributed.scheduler.KilledWorker",
        "distributed.scheduler.NoValidWorkerError",
        "distributed.scheduler.WorkerState",
        "builtins.Exception",
        "tblib.pickling_support.unpickle_exception_with_attrs",
    }
)


class _Reader(pickle.Unpickler):
    def __init__(self, data: Any, buffers: Iterable[Any], allowed: frozenset[str]) -> None:
        super().__init__(io.BytesIO(data), buffers=buffers)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Raises UnpicklingError for what is not on the list."""
        if f"{module}.{name}" not in self._allowed:
            raise pickle.UnpicklingError(f"{module}.{name} may not come out of a message")
        return super().find_class(module, name)


def loads(data: Any, allowed: frozenset[str], *, buffers: Iterable[Any] = ()) -> Any:
    """Return the object of a pickle. Raises UnpicklingError for one with another name than those allowed."""
    return _Reader(data, buffers, allowed).load()


def restrict(allowed: frozenset[str]) -> None:
    """Let this process find only these names in pickles of Dask's messages."""
    import distributed.client
    import distributed.protocol.pickle

    client: Any = distributed.client

    def read(data: Any, *, buffers: Iterable[Any] = ()) -> Any:
        return loads(data, allowed, buffers=buffers)

    distributed.protocol.pickle.loads = read
    client.loads = read
    client.pickle = SimpleNamespace(loads=read, dumps=pickle.dumps)
