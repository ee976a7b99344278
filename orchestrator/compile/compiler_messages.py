"""Messages of compilers and linkers: errors before warnings, whole, each with its source lines. Pure.

Understands what GCC, Clang, GNU ld and lld print: a message begins with ``file:line:column: error: ``, and
everything up to the next one (the quoted line, carets, notes) belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_START = re.compile(r"^(?:[^\s:][^:\n]*:)?(?:\d+:)*\s?(?:fatal )?(error|warning)(?: \w+)?: ")
_LINKED = re.compile(r"undefined reference to|multiple definition of|^\S*ld: cannot find ")
_BEFORE = re.compile(r"^In file included from |^ +from \S+:\d+|^\S+: In \S+ .*:$|^\S+: At top level:$")
"""Lines that say where the next message is from."""
_COUNT = re.compile(r"^\d+ (?:warning|error)s?(?: and \d+ errors?)? generated\.$")


@dataclass(frozen=True)
class CompilerMessage:
    """One message with its lines; ``kind`` is "" for what stands before the first one."""

    kind: str
    lines: tuple[str, ...]


def errors_first(text: str) -> str:
    """Return the text with its errors before its warnings, otherwise in order and complete."""
    found = list(messages(text))
    order = sorted(found, key=lambda one: ("", "error", "warning", "count").index(one.kind))
    return "\n".join(line for one in order for line in one.lines)


def without_files(text: str, names: Collection[str]) -> str:
    """Return the text without the messages that mention one of these files, by path or name, or a file in
    a folder that these names end in a slash."""
    if not names:
        return text
    known = {*names, *(name.rsplit("/", 1)[-1] for name in names)} - {""}
    ends = {name: "" if name.endswith("/") else r"(?![\w-])" for name in sorted(known)}
    mentions = re.compile("|".join(rf"(?<![\w-]){re.escape(name)}{end}" for name, end in ends.items()))
    kept = [one for one in messages(text) if not mentions.search("\n".join(one.lines))]
    return "\n".join(line for one in kept if one.kind != "count" for line in one.lines)


def without_counts(text: str) -> str:
    """Return the text without the lines that say how many messages there were."""
    return "\n".join(line for one in messages(text) if one.kind != "count" for line in one.lines)


def for_any_architecture(text: str, arch: str) -> str:
    """Return the text without the architecture in its first line: a record says that elsewhere, and equal
    messages for several architectures are then equal."""
    head, newline, rest = text.partition("\n")
    return re.sub(rf" for {re.escape(arch)}(?=:|$)", "", head) + newline + rest


def messages(text: str) -> Iterator[CompilerMessage]:
    """Yield the messages of a compiler's output, with what stands before them."""
    kind, lines, before = "", list[str](), list[str]()
    for line in text.split("\n"):
        if _BEFORE.match(line):
            before.append(line)
            continue
        started = _kind(line)
        if started:
            if lines:
                yield CompilerMessage(kind, tuple(lines))
            kind, lines = started, before
        else:
            lines += before
        lines.append(line)
        before = []
    if lines or before:
        yield CompilerMessage(kind, (*lines, *before))


def _kind(line: str) -> str:
    if found := _START.match(line):
        return found[1]
    if _LINKED.search(line):
        return "error"
    return "count" if _COUNT.match(line) else ""
