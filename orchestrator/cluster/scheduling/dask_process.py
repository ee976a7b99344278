"""A process that is one of Dask's: what the scheduler and a worker have in common from start to end."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, NoReturn

from orchestrator.cluster.scheduling import process_pipes, settings, unpickling
from orchestrator.cluster.scheduling.certificates import Credentials, Role
from orchestrator.cluster.scheduling.dask_words import words
from orchestrator.errors import LabError


def be(
    name: str,
    role: Role,
    allowed: frozenset[str],
    serve: Callable[[dict[str, Any], Credentials], Coroutine[Any, Any, None]],
) -> NoReturn:
    """Hear what it is given, which has "credentials" for its ``role``, do ``serve`` and end the process; what
    goes wrong is said.

    ``name`` begins the lines of its log; only the names ``allowed`` are found in pickles of Dask's messages.
    """
    given = process_pipes.hear()
    logging.basicConfig(format=f"{name}: %(message)s", level=logging.WARNING)
    try:
        settings.apply()
        settings.log_from(logging.WARNING)
        credentials = Credentials.from_data(given["credentials"])
        credentials.check(role, datetime.now(UTC))
        unpickling.restrict(allowed)
        asyncio.run(serve(given, credentials))
    except LabError as problem:
        process_pipes.say(problem=problem.message, hint=problem.hint)
    except (OSError, ValueError, RuntimeError) as problem:  # Dask's
        process_pipes.say(problem=f"it cannot start: {words(problem.__cause__ or problem)}", hint="")
    os._exit(1)


async def until_end(finished: Coroutine[Any, Any, object]) -> None:
    """Say that the process is alive, until what it serves is ``finished``."""
    await asyncio.wait(
        [asyncio.ensure_future(finished), asyncio.ensure_future(process_pipes.beat())],
        return_when=asyncio.FIRST_COMPLETED,
    )
