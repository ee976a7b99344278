"""The command ``isolab``: the only place where errors become output and exit codes.

Light on purpose. Whatever happens before `quiet_interrupts` has run cannot be said in our own words, so
everything that takes time to load is loaded after it.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

_KEPT = "\n\t"
"""Control characters of messages that reach the terminal."""


def main() -> None:
    """Run the command and exit."""
    quiet_interrupts()
    from orchestrator.cli import streams

    streams.prepare()
    if os.name == "posix":
        from orchestrator.host import caller

        caller.shed()
    sys.exit(streams.finish(run(sys.argv)))


def quiet_interrupts() -> None:
    """Let Ctrl-C end the process at once and without a word, until a verb begins its work.

    As long as modules are loading there is nothing to clean up, and a KeyboardInterrupt in the middle of
    an import ends in a traceback. Where Ctrl-C is ignored (nohup, a job in the background), it stays so.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, _end)


def _end(_number: int, _frame: FrameType | None) -> None:
    os._exit(130)


def run(argv: list[str]) -> int:
    """Run the command line ``argv`` (program name first) and return the exit code."""
    # It would make Invoke log, as soon as it is loaded; whoever sets it debugs another program.
    os.environ.pop("INVOKE_DEBUG", None)
    from orchestrator.cli import invoke_start

    invoke_start.load()
    from orchestrator.cli.crash import crashed
    from orchestrator.cli.program import execute
    from orchestrator.errors import Interrupted, LabError, from_os

    try:
        return execute(argv)
    except LabError as problem:
        return _report(problem)
    except KeyboardInterrupt:
        return _report(Interrupted())
    except OSError as problem:
        return _report(_folder_lost() or from_os(problem))
    except Exception as problem:  # noqa: BLE001 - the last resort: exit 1 would mean that an exercise failed
        return _report(crashed(problem, argv))


def _folder_lost() -> Exception | None:
    """Return the error for a current folder that was removed: then every relative path is not found."""
    from pathlib import Path

    from orchestrator.errors import SpecError

    try:
        Path.cwd()
    except FileNotFoundError:
        return SpecError("the current folder no longer exists", hint="change to another one, such as: cd ~")
    return None


def _report(problem: Exception) -> int:
    from orchestrator.errors import LabError
    from orchestrator.formatting import printable
    from orchestrator.progress import write_error

    assert isinstance(problem, LabError)
    # Names of files, and what machines say, must not control the terminal.
    write_error(f"isolab: {printable(problem.describe(), keep=_KEPT)}\n")
    return int(problem.exit_code)
