"""Compare two outputs line by line, and recognise lines that differ only in what changes by itself. Pure.

Addresses, process ids and times differ from one run to the next. They are recognised by how they look and
by the words around them, narrowly: an overlooked address is shown as a difference, but a number taken
for an address would hide one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

ADDRESSES, PROCESS_IDS, TIMES = "addresses", "process ids", "times"
NO_NEWLINE = "\\ no newline at the end"

_VOLATILE = re.compile(
    r"(?P<address>\b0x[1-9a-f][0-9a-f]{3,15}\b)"
    r"|(?P<of>\b(?:\w*pid|tid|pgrp|pgid|sid|process id|thread id|process(?=\W{1,2}\d{3}))\b\W{0,6}(?:is )?)"
    r"(?P<pid>\d{1,10})\b"
    r"|(?P<when>\b(?:elapsed|time|clock|took|duration)\b\W{0,4}(?:is )?)(?P<span>\d+(?:\.\d+)?)"
    r"|(?P<time>\b\d{1,2}:\d{2}:\d{2}(?:\.\d+)?\b|\b\d{4}-\d{2}-\d{2}\b|\b[12]\d{9}(?:\.\d+)?\b"
    r"|\b\d+(?:\.\d+)? ?(?:ns|us|µs|ms|sec|seconds)\b)",
    re.IGNORECASE,
)
_KINDS = {"address": ADDRESSES, "pid": PROCESS_IDS, "span": TIMES, "time": TIMES}
_POINTING = re.compile(
    r"addr|pointer|\bptr|stack|heap|malloc|mmap|\bbrk\b|&\w|\bat 0x|function|\btext\b|\bmain\b", re.I
)
_NO_POINTER = re.compile(r"hash|crc|sum|digest|\bkey|seed|random|magic|mask|flag|value|bits", re.I)
_NARROW, _WIDE = 8, 14
"""Hexadecimal digits of a 32-bit address, and of the largest user address of any architecture."""
_LOWEST, _HIGHEST_NARROW = 0x10000, 0xFFFF0000
_MANY = 1000
"""Lines that are compared exactly, which takes quadratic time at worst."""
_MOST = 5000
"""Lines that may differ for two outputs to be searched for addresses."""


@dataclass(frozen=True)
class LineDiff:
    """How one output differs from another. ``lines`` begin with ``-`` (the one) or ``+`` (the other);
    ``passing`` counts lines that differ only in what ``kinds`` names. ``unexamined`` lines of the longer
    one follow those that were compared, of two outputs with very many."""

    lines: tuple[str, ...]
    kinds: tuple[str, ...]
    passing: int
    unexamined: int = 0


def lines_of(text: str) -> list[str]:
    """Split at newlines only, and mark the absence of the last: other separators are part of a line."""
    if not text:
        return []
    lines = text.split("\n")
    return [*lines, NO_NEWLINE] if lines[-1] else lines[:-1]


def compare_lines(one: str, other: str) -> LineDiff:
    """Return how ``other`` differs from ``one``."""
    first, second = lines_of(one), lines_of(other)
    start = _common(first, second)
    first, second = first[start:], second[start:]
    end = _common(first[::-1], second[::-1])
    first, second = first[: len(first) - end], second[: len(second) - end]
    unexamined = max(len(first), len(second), _MANY) - _MANY
    first, second = first[:_MANY], second[:_MANY]
    shown: list[str] = []
    kinds: dict[str, None] = {}
    passing = 0
    for left, right in _blocks(first, second):
        if len(left) != len(right):
            shown += [*(f"-{line}" for line in left), *(f"+{line}" for line in right)]
            continue
        for one_line, other_line in zip(left, right, strict=True):
            found = _passing(one_line, other_line)
            if found is None:
                shown += [f"-{one_line}", f"+{other_line}"]
            elif found:
                passing += 1
                kinds |= dict.fromkeys(sorted(found))
    return LineDiff(tuple(shown), tuple(kinds), passing, unexamined)


def passing_only(one: str, other: str) -> tuple[str, ...] | None:
    """Return what two outputs differ in if that is only what changes by itself; None if they differ in
    anything else, which is found at the first such line."""
    first, second = lines_of(one), lines_of(other)
    if len(first) != len(second):
        return None
    pairs = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    if len(pairs) > _MOST:
        return None
    kinds: dict[str, None] = {}
    for left, right in pairs:
        found = _passing(left, right)
        if found is None:
            return None
        kinds |= dict.fromkeys(sorted(found))
    return tuple(kinds)


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = enumerate(zip(one, other, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(one), len(other)))


def _blocks(one: Sequence[str], other: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Yield what corresponds: runs of lines that look alike, and of lines that do not."""
    left, right = [_skeleton(line)[0] for line in one], [_skeleton(line)[0] for line in other]
    for _, a, b, c, d in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        yield (one[a:b], other[c:d])


def _passing(one: str, other: str) -> frozenset[str] | None:
    """Return what two lines differ only in: nothing if they are equal; None if in something else."""
    if one == other:
        return frozenset()
    (left, before), (right, after) = _skeleton(one), _skeleton(other)
    if left != right:
        return None
    pairs = [(kind, a, b) for (kind, a), (_, b) in zip(before, after, strict=True) if a != b]
    addresses = [(a, b) for kind, a, b in pairs if kind == ADDRESSES]
    if any(_related(a, b) or not (_is_address(a, one) or _is_address(b, other)) for a, b in addresses):
        return None
    return frozenset(kind for kind, _, _ in pairs)


def _skeleton(line: str) -> tuple[str, list[tuple[str, str]]]:
    """Return a line without what changes by itself, and that, with its kind."""
    found: list[tuple[str, str]] = []

    def take(match: re.Match[str]) -> str:
        kind = match.lastgroup or ""
        value = match[kind]
        if kind == "address" and not _may_be_address(value, line):
            return match[0]
        found.append((_KINDS[kind], value))
        return f"{match['of'] or match['when'] or ''}\0{kind}\0"

    return _VOLATILE.sub(take, line), found


def _may_be_address(text: str, line: str) -> bool:
    value = int(text, 16)
    if len(text) - 2 > _WIDE or value < _LOWEST or _NO_POINTER.search(line):
        return False
    return len(text) - 2 != _NARROW or value < _HIGHEST_NARROW


def _is_address(text: str, line: str) -> bool:
    """Return whether a number that may be an address is one: because of its size, or of words around it."""
    return len(text) - 2 > _NARROW or _POINTING.search(line) is not None


def _related(one: str, other: str) -> bool:
    """Return whether two numbers are one in two forms: in the other byte order, or cut off."""
    short, long = sorted((one[2:].lower(), other[2:].lower()), key=len)
    padded = short.zfill(len(short) + len(short) % 2)
    turned = "".join(re.findall("..", padded)[::-1]).lstrip("0")
    return long.endswith(short) or long.startswith(short) or turned == long
