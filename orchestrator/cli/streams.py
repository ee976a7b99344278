"""The three standard streams: open, able to write any text, and flushed before the end."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

from orchestrator.errors import Exit, LabError
from orchestrator.progress import write_error

STDIN, STDOUT, STDERR = 0, 1, 2
_REPLACED = "isolab-signs"
_INSTEAD = str.maketrans("✓✗–—·×÷µ─│├└", "+x--.x/u-|||", "") | {ord("…"): "..."}
"""What stands for our own signs where an encoding lacks them: those of verdicts stay distinct."""


class OutputLost(LabError):
    """Standard output cannot be written: its disk is full, or it is closed."""

    def __init__(self, problem: OSError, *, hint: str = "") -> None:
        super().__init__(f"cannot write to standard output: {problem.strerror or problem}", hint=hint)
        self.problem = problem


def prepare() -> None:
    """Open what the caller closed, drop the current folder from the path, and let every character be written.

    A closed descriptor would be taken by the next file that is opened, and what is printed would end up
    in it. The stand-in for standard output cannot be written, so that its loss is noticed. A sign
    of ours that an encoding lacks has a stand-in; any other character, or a byte of a file name that is no
    character, is shown as a question mark.
    """
    _fill(STDIN, os.O_RDONLY)
    _fill(STDOUT, os.O_RDONLY)
    _fill(STDERR, os.O_WRONLY)
    sys.stdin = sys.stdin or open(STDIN, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(STDOUT, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(STDERR, "w", closefd=False)  # noqa: SIM115
    codecs.register_error(_REPLACED, _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_REPLACED)
    leave_current_folder_out()


def _stand_in(problem: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded, as ``codecs.register_error`` expects it."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    lacking = problem.object[problem.start : problem.end].translate(_INSTEAD)
    return "".join(char if char.isascii() else "?" for char in lacking), problem.end


def _fill(descriptor: int, flags: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        # The lowest free one is taken: this, as those before it are open.
        os.open(os.devnull, flags)
        os.set_inheritable(descriptor, True)


def leave_current_folder_out() -> None:
    """An empty entry of PATH is the current folder, which may hold students' work."""
    entries = os.environ.get("PATH", os.defpath).split(os.pathsep)
    os.environ["PATH"] = os.pathsep.join(one for one in entries if one not in ("", "."))


def write_output(text: str) -> bool:
    """Write to standard output and flush. Returns False when its reader has gone, as in ``isolab … | head``.

    That is no error: the command ends as it would have. Raises OutputLost.
    """
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(STDOUT)
        return False
    except OSError as problem:
        _discard(STDOUT)
        raise OutputLost(problem) from None
    return True


def finish(code: int) -> int:
    """Flush what is left, so that the interpreter finds nothing to fail on; returns the exit code."""
    try:
        write_output("")
    except OutputLost as problem:
        write_error(f"isolab: {problem.describe()}\n")
        code = code or int(Exit.INFRASTRUCTURE)
    write_error("")
    return code


def _discard(descriptor: int) -> None:
    """Let everything still buffered go nowhere."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
