"""Compiling what students hand in: what the compiler sees, how much it may use, and how it was ended.

Clang opens files through a file system of its own, which an overlay describes: whatever the overlay does not
list is not there. So a source can neither include a file of this host nor learn whether there is one.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

VERSION = 2
Visible = Callable[[Path], Iterable[Path]]
"""The files that a source may include."""
PROCESSOR_SECONDS = 30
MOST_BYTES = 16 * 2**20
BOUNDS = (
    "prlimit",
    f"--as={2 * 2**30}",
    f"--fsize={MOST_BYTES}",
    f"--cpu={PROCESSOR_SECONDS}:{PROCESSOR_SECONDS + 5}",
    "--core=0",
)
"""Limits of the compiler and of the linker, which a source could make compute endlessly or write a lot."""
FLAGS = ("-fno-gnu-inline-asm", "-fno-crash-diagnostics")
"""The assembler has its own includes (``.incbin``), which the preprocessor does not see. A compiler that
crashes would write what it was compiling to the host's folder for temporary files."""
LINKER_FLAGS = ("--no-dependent-libraries",)
"""A source can name libraries to link (``#pragma comment(lib, …)``), by any path."""
MOST_WORDS = 64 * 2**10
_CRASHED = re.compile(
    r"clang frontend command failed with exit code (?:13[0-9]|70)|^PLEASE submit", re.MULTILINE
)
_CHATTER = re.compile(
    r"^(?:\S*: error: clang frontend command failed|PLEASE submit|Stack dump:).*\n?", re.MULTILINE
)
_NO_MEMORY = "LLVM ERROR: out of memory"


def write_view(overlay: Path, files: Iterable[Path], folders: Iterable[Path]) -> list[str | Path]:
    """Write an overlay with these files and folders, and nothing else; returns the flags for its use.

    Paths are absolute. The names in messages stay those that the command and the sources use.
    """
    roots = [
        {"type": kind, "name": str(path), "external-contents": str(path)}
        for kind, paths in (("file", files), ("directory-remap", folders))
        for path in paths
    ]
    about = {"version": 0, "case-sensitive": True, "use-external-names": False, "roots": roots}
    overlay.write_text(json.dumps({**about, "redirecting-with": "redirect-only"}))
    return ["-ivfsoverlay", overlay]


def told(words: str, code: int) -> str:
    """Return what a compiler or linker wrote before it ended with this status, at most so much that a report
    can hold it, and how it was ended if not by itself."""
    cut = len(words) > MOST_WORDS
    kept = _CHATTER.sub("", words[:MOST_WORDS])
    lines = [kept.rstrip("\n"), "… (cut: too many messages)" if cut else "", _ended(words, code)]
    text = "\n".join(filter(None, lines))
    return f"{text}\n" if text else ""


def _ended(words: str, code: int) -> str:
    if _NO_MEMORY in words:
        return "the compiler needs too much memory for this"
    if -code == signal.SIGXCPU:
        return f"the compiler was stopped: it took {PROCESSOR_SECONDS} s of processor time"
    if -code == signal.SIGXFSZ:
        return f"the compiler was stopped: the program is larger than {MOST_BYTES // 2**20} MiB"
    if code < 0 or _CRASHED.search(words):
        return "the compiler crashed on this, or was killed"
    return ""
