"""How much may be unpacked: limits, and what is left of them, counted while unpacking.

What an archive says about its own size is not believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from orchestrator.errors import SpecError
from orchestrator.formatting import size_words


class Exceeded(Exception):
    """A limit was reached; the message says which, as the end of a sentence about an archive or a file.
    ``whole``: nothing more can be taken, not only this file."""

    def __init__(self, message: str, *, whole: bool = True) -> None:
        super().__init__(message)
        self.whole = whole


@dataclass(frozen=True)
class Limits:
    """What may come out of archives: ``total`` bytes, of which ``file`` in one file; ``files`` entries, new
    folders included; ``archives`` in archives, ``depth`` deep; ``ratio`` times an archive's own size, once
    that is more than ``ratio_from`` bytes. A ratio of 0 is none."""

    total: int
    file: int
    files: int
    archives: int = 20
    depth: int = 3
    ratio: int = 200
    ratio_from: int = 2**20

    def stream(self, size: int) -> int:
        """How many bytes of a tar archive of this size are decompressed, with those of files that are passed
        over, and of what is between files."""
        most = 4 * self.total
        return min(most, max(self.ratio_from, self.ratio * size)) if self.ratio else most

    @property
    def directory(self) -> int:
        """How many bytes of a zip archive's list of files are read at once."""
        return 2**20 + 128 * self.files


WHOLE_CLASS = Limits(total=2**32, file=2**28, files=1_000_000, ratio=0)
"""Of the archive a platform made."""
ONE_SUBMISSION = Limits(total=2**26, file=2**25, files=2000)
"""Of one submission, with the archives in it."""


@dataclass
class Shared:
    """What is left for all submissions of a class together, in bytes."""

    left: int = WHOLE_CLASS.total

    def count(self, number: int) -> None:
        """Count bytes written, or with a minus removed. Raises SpecError: no student is at fault."""
        self.left -= number
        if self.left < 0:
            raise SpecError(
                f"the submissions are more than {size_words(WHOLE_CLASS.total)} in all",
                hint="grade them in parts, such as one folder for each group",
            )


@dataclass
class Budget:
    """What is left of the limits of one submission. Bytes count for the class as well, if ``shared``."""

    limits: Limits
    shared: Shared | None = None
    bytes: int = field(init=False)
    files: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes, self.files = self.limits.total, self.limits.files

    def count_entry(self) -> None:
        """Count a file or folder. Raises Exceeded."""
        if self.files <= 0:
            raise Exceeded(f"more than {self.limits.files} files and folders")
        self.files -= 1

    def count_bytes(self, number: int) -> None:
        """Count bytes written. Raises Exceeded."""
        if number > self.bytes:
            raise Exceeded(f"more than {size_words(self.limits.total)} in all")
        self.bytes -= number
        if self.shared:
            self.shared.count(number)

    def give_back(self, number: int) -> None:
        """Count bytes that were removed again."""
        self.bytes += number
        if self.shared:
            self.shared.count(-number)
