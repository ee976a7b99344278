"""How `try` shows what compilers said: errors first, equal words of several architectures once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from orchestrator.cli.output import say
from orchestrator.errors import BuildError
from orchestrator.formatting import counted, printable
from orchestrator.run.prebuild import NOT_BUILT, Prebuilt

SHOWN_LINES = 80
"""Lines of one build that are shown; --format json has all."""
_MESSAGE = re.compile(r"^\S.*?: (?:fatal )?(error|warning): |^isolab: .*(left out|asks for)")
_SAYS_SO = re.compile(r"does not (compile|link)$")
_TAB = "\t"
_Words = TypeVar("_Words")
_NOTE = re.compile(r"^\S.*?: note: ")


@dataclass(frozen=True)
class BuildMessage:
    """One message of a compiler: its lines, with the source it quotes. ``kind`` is "error", "warning", or ""
    for anything else that a build writes."""

    kind: str
    text: str


def messages(words: str) -> list[BuildMessage]:
    """What a build wrote as messages: errors first, then warnings, then the rest, each in its order. Equal
    ones, as of a header that many files include, are kept once."""
    blocks: list[tuple[str, list[str]]] = []
    for line in words.splitlines():
        found = _MESSAGE.match(line)
        if found:
            blocks.append((found[1] or "warning", [line]))
        elif blocks and (not blocks[-1][0] or _continues(line)):
            blocks[-1][1].append(line)
        else:
            blocks.append(("", [line]))
    whole = dict.fromkeys(BuildMessage(kind, "\n".join(lines)) for kind, lines in blocks)
    order = {"error": 0, "warning": 1, "": 2}
    return sorted(whole, key=lambda message: order[message.kind])


def _continues(line: str) -> bool:
    return line.startswith((" ", "\t", ">>>")) or _NOTE.match(line) is not None


def failures_text(name: str, ready: Prebuilt) -> str:
    """Why the program does not compile, said once for the architectures that it is equal for."""
    parts = []
    said = [(arch, (_plain(f, arch), _essence(f.words), f.hint)) for arch, f in ready.failures.items()]
    for (summary, _, hint), arches in _grouped(said).items():
        words = ready.failures[arches[0]].words
        what = summary if _SAYS_SO.search(summary) else f"{name} {NOT_BUILT}: {summary}"
        parts.append(f"{printable(what)}{_for(arches, ready)}:" if words else printable(what))
        parts.append(_indented(messages(words)))
        if hint:
            parts.append(f"  hint: {printable(hint)}")
    return "\n".join(part for part in parts if part)


def _essence(words: str) -> str:
    """Words without the linker's list of who refers to a symbol, which has lines of the C library's own."""
    return "\n".join(line for line in words.splitlines() if not line.startswith(">>>"))


def _plain(failure: BuildError, arch: str) -> str:
    """Its summary without the architecture, which is the first word of ``arch``."""
    return failure.summary.removesuffix(f" for {arch.split(maxsplit=1)[0]}")


def say_build(name: str, ready: Prebuilt, *, warnings: bool) -> None:
    """Print what a user should know of the build beside the program's answers: failures, notes, and warnings
    if they are asked for."""
    if ready.failures:
        say(f"\n{failures_text(name, ready)}")
    for note, arches in _grouped((arch, n) for arch, made in ready.made.items() for n in made.notes).items():
        say(f"note{_for(arches, ready)}: {printable(note)}")
    if not warnings:
        return
    found = [(a, tuple(m for m in messages(made.warnings) if m.kind)) for a, made in ready.made.items()]
    for several, arches in _grouped(found).items():
        if several:
            say(f"\nthe compiler warns{_for(arches, ready)}:\n{_indented(several)}")


def build_data(ready: Prebuilt) -> dict[str, object]:
    """The build for programs that read JSON: per architecture all that was written."""
    return {
        "failures": {
            arch: {"summary": failure.summary, "output": failure.words, "hint": failure.hint}
            for arch, failure in ready.failures.items()
        },
        "warnings": {arch: made.warnings for arch, made in ready.made.items()},
        "notes": {arch: made.notes for arch, made in ready.made.items()},
    }


def _grouped(said: Iterable[tuple[str, _Words]]) -> dict[_Words, list[str]]:
    """What was said -> the architectures it was said for."""
    groups: dict[_Words, list[str]] = {}
    for arch, words in said:
        groups.setdefault(words, []).append(arch)
    return groups


def _for(arches: Sequence[str], ready: Prebuilt) -> str:
    """ " for s390x, armhf"; nothing if it is all of them."""
    everything = {*ready.made, *ready.failures}
    return "" if set(arches) == everything else f" for {', '.join(arches)}"


def _indented(several: Iterable[BuildMessage]) -> str:
    text = "\n".join(message.text for message in several)
    lines = [f"  {printable(line, keep=_TAB)}" for line in text.splitlines()]
    more = len(lines) - SHOWN_LINES
    cut = [f"  … {counted(more, 'more line')} (--format json has all)"] if more > 0 else []
    return "\n".join([*lines[:SHOWN_LINES], *cut])
