"""The exception hierarchy, with the message, hint and exit code of each error.

::

    LabError                 an error for the user to read; carries a hint
    ├── SpecError            the input is wrong                              exit 2
    ├── Unavailable          this host lacks what is needed                  exit 3
    │   └── HostLacks        for some machines only: theirs are skipped      exit 3
    ├── ImageError           an image could not be fetched, verified, built  exit 3
    │   └── NotPublished     because the file is not at its address
    │       └── NotOnMirror  although a signed index lists it
    ├── BuildError           a program does not compile                      exit 3
    │   └── WorkError        because of a student's code (a failed record) exit 1
    ├── BootError            a machine did not come up                       exit 3
    ├── TransportError       a machine stopped answering                     exit 3
    ├── CanaryError          a canary could not be planted                   exit 3
    ├── TimedOut             a deadline passed                               exit 3
    ├── TeardownError        something isolab made cannot be removed         exit 3
    │   └── Unreachable      because the machine it is on does not respond
    └── Interrupted          the user interrupted the command                exit 130

A wrong result of a program is not an exception but a ``Record`` with status *fail*.
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

    @property
    def first_line(self) -> str:
        """The message's first line, at most 300 characters of it: what went wrong, beside other facts."""
        return self.message.partition("\n")[0][:300]

    def describe(self) -> str:
        """Return the message, and the hint, if any, on its own line."""
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message

    def describe_for(self, name: str) -> str:
        """Return the same, beginning with the name of what failed, once."""
        short = name.rpartition("/")[2]  # a driver does not know of sessions
        return f"{name}: {self.describe().removeprefix(f'{name}: ').removeprefix(f'{short}: ')}"


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


class HostLacks(Unavailable):
    """This host lacks packages or rights that one kind of machine needs: such machines are skipped."""


class ImageError(LabError):
    """A guest image could not be fetched, verified or built."""


class NotPublished(ImageError):
    """A file is not at any of its expected addresses."""


class NotOnMirror(NotPublished):
    """A signed index lists a package that the mirror does not have: the mirror is being updated."""


class BuildError(LabError):
    """A program does not compile. ``summary`` says what and for which machine; ``words`` is all that the
    compiler or the build command wrote. The message is both."""

    def __init__(self, message: str, *, hint: str = "", words: str = "") -> None:
        super().__init__(f"{message}:\n{words.rstrip()}" if words.strip() else message, hint=hint)
        self.summary = message
        self.words = words


class WorkError(BuildError):
    """A student's code does not compile: recorded as a failure of the student's."""


class BootError(LabError):
    """A machine did not come up."""


class TransportError(LabError):
    """The connection to a machine broke, or the machine violated the protocol."""


class CanaryError(LabError):
    """A canary (the target of an attack) could not be planted on this host."""


class TimedOut(LabError):
    """A deadline passed."""


class TeardownError(LabError):
    """Something isolab made could not be removed."""


class Unreachable(TeardownError):
    """What isolab left on a remote machine cannot be removed now: the machine does not respond."""


def from_os(problem: OSError) -> LabError:
    """Convert an operating system error to a LabError with a hint."""
    where = f"{problem.filename}: " if problem.filename else ""
    hint = (
        "free space: `isolab images prune` removes what can be rebuilt"
        if problem.errno == errno.ENOSPC
        else ""
    )
    return LabError(f"{where}{problem.strerror or problem}", hint=hint or "see `isolab doctor`")


class Interrupted(LabError):
    """The user interrupted the command."""

    exit_code = Exit.INTERRUPTED

    def __init__(self, message: str = "interrupted", *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
