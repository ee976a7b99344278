"""What nobody foresaw: a sentence for the user, and the traceback in a file for whoever mends it."""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator import __version__
from orchestrator.errors import LabError
from orchestrator.paths import state_dir


def crashed(problem: Exception, argv: Sequence[str]) -> LabError:
    """Return the error to report for an exception that is no error of ours; writes its traceback to a file.

    Where no file can be written, the hint holds the traceback itself.
    """
    what = traceback.format_exception_only(problem)[-1].strip()
    text = _about(argv) + "".join(traceback.format_exception(problem))
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError:
            continue
        return LabError(
            f"unexpected error: {what}", hint=f"this is a fault in isolab; to report it, send {path}"
        )
    return LabError(
        f"unexpected error: {what}", hint=f"this is a fault in isolab; to report it, send\n{text}"
    )


def _folders() -> Iterator[Path]:
    """Where the file may go: the state folder may itself be what is wrong."""
    with contextlib.suppress(OSError, RuntimeError, LabError):
        yield state_dir() / "crashes"
    yield Path(tempfile.gettempdir())


def _about(argv: Sequence[str]) -> str:
    python = f"Python {platform.python_version()} ({sys.executable})"
    host = f"{platform.system()} {platform.release()} {platform.machine()}"
    return f"isolab {__version__}, {python}, {host}\n{shlex.join(['isolab', *argv[1:]])}\n\n"
