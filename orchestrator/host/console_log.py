"""A guest's console log on our disk: written by the emulator, read by us, never trusted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_TAIL_BYTES = 8192
_NOISE = re.compile(rb"\x1b\[[0-9;?]*(?:[A-Za-z]|\Z)|[^\x20-\x7e\n]")
_ELLIPSIS = re.compile("…".encode() + rb"(?:\[[0-9;]*m)?")
"""What systemd writes in the middle of a line that is too long, and what it left of a colour there."""
_PANIC = re.compile(r"Kernel panic - not syncing|isolab: [\d.]+ failed:")


@dataclass(frozen=True)
class Console:
    """Reads the end of a console log."""

    path: Path

    def tail(self, lines: int = 20) -> str:
        """The last lines, without control characters; "" if there are none."""
        try:
            with self.path.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - _TAIL_BYTES))
                raw = file.read()
        except OSError:
            return ""
        text = _NOISE.sub(b"", _ELLIPSIS.sub(b"...", raw)).decode("ascii")
        return "\n".join([line for line in text.splitlines() if line.strip()][-lines:])

    def last_line(self) -> str:
        """The last line, shortened to fit on a screen."""
        return self.tail(1)[-70:]

    def panicked(self) -> bool:
        """Whether the kernel or our init gave up."""
        return bool(self.panic())

    def panic(self) -> str:
        """The line in which the kernel or our init gave up; "" if neither did."""
        return next((line for line in self.tail(60).splitlines() if _PANIC.search(line)), "")
