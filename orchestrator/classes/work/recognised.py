"""What a path given to ``isolab grade`` is: a class, or the receipt of a hand-in."""

from __future__ import annotations

import re
from pathlib import Path

CLASS_FILE = "class.yaml"
FIRST_LINE = "isolab hand-in receipt 1"
"""Of a receipt."""
_MOST_READ = 2**16
_CLASS = re.compile(rb"^class\s*:", re.MULTILINE)


def is_class(path: Path) -> bool:
    """Whether a path is a class: a folder with ``class.yaml``, or a YAML file that names a class."""
    if path.is_dir():
        return (path / CLASS_FILE).is_file()
    return path.suffix in (".yaml", ".yml") and _CLASS.search(_start(path)) is not None


def is_receipt(path: Path) -> bool:
    """Whether a file looks like the receipt of a hand-in."""
    return _start(path).startswith(FIRST_LINE.encode() + b"\n")


def _start(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""
        with path.open("rb") as file:
            return file.read(_MOST_READ)
    except OSError:
        return b""
