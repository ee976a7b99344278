"""Format guest output for reports: printable, bounded, the same in every report."""

from __future__ import annotations

import json


def format_value(value: object, limit: int = 40) -> str:
    """Format an observed value for people: printable, and at most ``limit`` characters."""
    match value:
        case None:
            text = "–"
        case bool():
            text = "yes" if value else "no"
        case float():
            plain = value == 0 or 0.001 <= abs(value) < 1e9
            text = f"{value:.3f}".rstrip("0").rstrip(".") if plain else f"{value:.3g}"
        case int() | str():
            text = str(value)
        case _:
            text = json.dumps(value, ensure_ascii=False, default=str)
    return bounded(printable(text), limit)


def counted(number: int, noun: str) -> str:
    """Format a number with its noun, in the plural unless it is one: ``1 file``, ``2 files``."""
    return f"{number} {noun}" + ("" if number == 1 else "s")


def size_words(size: int) -> str:
    """Format bytes for people: ``17 bytes``, ``76 KiB``, ``1.1 MiB``."""
    if size < 10 * 2**10:
        return counted(size, "byte")
    return f"{size / 2**10:.0f} KiB" if size < 2**20 else f"{size / 2**20:.1f} MiB"


def printable(text: str, keep: str = "") -> str:
    r"""Escape what is not printable in ``text`` (controls, bidi marks, surrogates) as ``\x1b``, ``\u202e``.

    A byte that is not UTF-8, which Python has as half of a surrogate pair, becomes ``\xff``. Characters in
    ``keep`` stay as they are.
    """
    if text.isprintable():
        return text
    # Outputs are long, and of few different characters.
    escaped = {ord(char): _escaped(char) for char in set(text) if not (char.isprintable() or char in keep)}
    return text.translate(escaped) if escaped else text


def _escaped(char: str) -> str:
    if "\udc80" <= char <= "\udcff":  # PEP 383, surrogateescape
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()


def bounded(text: str, limit: int) -> str:
    """Replace the middle of ``text`` by an ellipsis if it is longer than ``limit`` characters."""
    tail = limit // 3
    return text if len(text) <= limit else f"{text[: limit - tail - 1]}…{text[-tail:]}"


def whole_lines(text: str, limit: int) -> str:
    """Return the text, or as many of its first lines as fit into ``limit`` characters and how many are left
    out: never a part of a line, unless the first one is too long."""
    if len(text) <= limit:
        return text
    kept = text[:limit].rpartition("\n")[0] or text[:limit]
    rest = text[len(kept) :].strip("\n").count("\n") + 1
    return f"{kept}\n… ({counted(rest, 'more line')})"


def identity(value: object) -> str:
    """Return a key that is equal for equal JSON values: 1 and 1.0, but not 1 and true."""
    return json.dumps(
        int(value) if isinstance(value, float) and value.is_integer() else value, sort_keys=True
    )
