"""The exception tree, and the only place where an error becomes words and an exit code.

::

    LabError                 something the user should read; carries a hint
    ├── SpecError            the input is wrong                              exit 2
    ├── Unavailable          this host lacks what the work needs             exit 3
    ├── ImageError           an image could not be fetched, verified, built  exit 3
    │   └── NotPublished     because there is no such file at its address
    │       └── NotOnMirror  which a signed index names
    ├── BuildError           a program does not compile                      exit 3
    │   └── WorkError        because of what a student wrote (a failed record) exit 1
    ├── BootError            a machine did not come up                       exit 3
    ├── TransportError       a machine stopped answering                     exit 3
    ├── CanaryError          a canary could not be planted                   exit 3
    ├── TimedOut             a deadline passed                               exit 3
    ├── TeardownError        something of ours could not be removed          exit 3
    │   └── Unreachable      because the machine it is on does not answer
    └── Interrupted          the user asked us to stop                       exit 130

A program that answers wrongly is not an exception: that is a ``Record`` with status *fail*.
"""

from __future__ import annotations

import errno
from dataclasses import dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of the command; fixed."""

    PASSED = 0
    FAILED = 1
    BAD_INPUT = 2
    INFRASTRUCTURE = 3
    INTERRUPTED = 130


class LabError(Exception):
    """An error with a message for people: what, why, and (``hint``) what to do next."""

    exit_code: Exit = Exit.INFRASTRUCTURE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def describe(self) -> str:
        """The message, and the hint on a line of its own when there is one."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


@dataclass(frozen=True, order=True)
class Problem:
    """One mistake in an input file. ``line`` and ``column`` count from 1; 0 means unknown."""

    file: str
    line: int
    column: int
    message: str
    suggestion: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{place}: {self.message}" + (f" ({self.suggestion})" if self.suggestion else "")


class SpecError(LabError):
    """The input is wrong; ``problems`` holds every mistake found, in file order."""

    exit_code = Exit.BAD_INPUT

    def __init__(self, message: str, *, problems: tuple[Problem, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.problems = problems

    def describe(self) -> str:
        lines = [str(problem) for problem in self.problems]
        return "\n".join([*lines, super().describe()])


class Unavailable(LabError):
    """This host cannot do it: a program, permission or kernel feature is missing."""


class ImageError(LabError):
    """A guest image could not be fetched, verified or built."""


class NotPublished(ImageError):
    """A file is not at any of the addresses it should be at."""


class NotOnMirror(NotPublished):
    """A signed index names a package that its mirror does not have: an update is under way there."""


class BuildError(LabError):
    """A program does not compile; the message ends with the compiler's own words."""


class WorkError(BuildError):
    """What a student wrote does not compile: the student's doing, and a record in the end."""


class BootError(LabError):
    """A machine did not come up."""


class TransportError(LabError):
    """The connection to a machine broke, or said something it must not say."""


class CanaryError(LabError):
    """What an attack was to aim at could not be planted on this host."""


class TimedOut(LabError):
    """A deadline passed."""


class TeardownError(LabError):
    """Something isolab made could not be removed."""


class Unreachable(TeardownError):
    """What we left on a machine elsewhere cannot be removed now: the machine does not answer."""


def from_os(problem: OSError) -> LabError:
    """What the operating system refused us, as an error with a next step."""
    where = f"{problem.filename}: " if problem.filename else ""
    hint = "`isolab images prune` frees what can be made again" if problem.errno == errno.ENOSPC else ""
    return LabError(f"{where}{problem.strerror or problem}", hint=hint or "see `isolab doctor`")


class Interrupted(LabError):
    """The user asked us to stop."""

    exit_code = Exit.INTERRUPTED

    def __init__(self, message: str = "interrupted", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
