"""A harmless process on the host, visible or not from inside a boundary.

Exercises about the host's processes look for this one, by a name unique to the run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from orchestrator.errors import LabError
from orchestrator.host import process


class VisibleProcess:
    """A process started on first use, and ended on close or when isolab is killed.

    It dies with the thread that started it (prctl(2), PR_SET_PDEATHSIG), so it gets a thread of its
    own that lives as long as it does.
    """

    def __init__(self, name: str, program: Callable[[], Path]) -> None:
        self.name = name
        self._program = program
        self._over, self._planted = threading.Event(), threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def plant(self) -> str:
        """Start the canary if needed, and return its name. Raises LabError when it cannot."""
        program = self._program()
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._keep, args=(program,), name="canary", daemon=True
                )
                self._thread.start()
        if not self._planted.wait(30):
            raise LabError("cannot start the canary process on this host")
        return self.name

    def close(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join(30)

    def _keep(self, program: Path) -> None:
        with process.running([self.name, "--canary"], executable=program):
            self._planted.set()
            self._over.wait()
