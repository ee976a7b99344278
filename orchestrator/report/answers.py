"""The answers of one program on several machines, as text and as JSON. Pure.

Whatever a program printed is made printable: it must not control the terminal. Tabs stay tabs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.formatting import counted, printable, size_words
from orchestrator.results.answers import Answers, Contrast, ProgramAnswer
from orchestrator.results.platform import Cause

SHOWN_LINES = 60
_SHOWN_UNFINISHED = 8
"""Lines shown of a program that was stopped."""


def render(name: str, answers: Answers, warnings: Mapping[str, str] | None = None) -> str:
    """Describe the answers of the program ``name``: what they agree on, and each difference with what may
    explain it. ``warnings`` are the compiler's, by machine; they are shown where answers differ."""
    lines = [headline(name, answers)]
    if answers.comparable:
        lines += [*_output(answers.comparable[0], SHOWN_LINES), ""]
    lines += _passing(answers)
    for place, (other, found) in enumerate(zip(answers.comparable[1:], answers.contrasts, strict=True), 1):
        if not found.only_in:
            lines += [*_different(other, found, answers.causes(place)), ""]
    for other in answers.others:
        lines.append(f"no complete answer on {_names(other)}: {_safe_lines(other.result)}")
        lines += [*_output(other, _SHOWN_UNFINISHED), ""]
    if answers.missing:
        lines += [f"no answer at all on {', '.join(answers.missing)}: there is no result", ""]
    if not answers.same:
        lines += _warned(answers, warnings or {})
    return "\n".join(lines).rstrip("\n") + "\n"


def headline(name: str, answers: Answers) -> str:
    """Return the verdict in one line."""
    found, several = answers.comparable, len(answers.missing)
    several += sum(len(each.records) for each in answers.answers)
    if not found:
        return f"{name}: no machine gave a complete answer"
    return f"{name}: {_verdict(answers, several)}: {found[0].result}"


def _verdict(answers: Answers, several: int) -> str:
    first = answers.comparable[0]
    if answers.same:
        one = several == 1
        return f"result on {first.machines[0]}" if one else f"the same on all {several} machines"
    if answers.only_in:
        return f"differs only in {_listed(answers.only_in)} on {several} machines"
    if len(answers.comparable) > 1:
        return f"{len(answers.comparable)} different results; most common, on {_names(first)}"
    if len(first.records) == 1:
        return f"a complete answer on {first.machines[0]} only, of {several} machines"
    return f"the same on {len(first.records)} of {several} machines"


def as_data(answers: Answers) -> dict[str, Any]:
    """Return the same for programs: what JSON can hold."""
    return {
        "same": answers.same,
        "differs_only_in": list(answers.only_in),
        "without_answer": [*(name for each in answers.others for name in each.machines), *answers.missing],
        "answers": [_answer(answers, each, place) for place, each in enumerate(answers.answers)],
    }


def _answer(answers: Answers, each: ProgramAnswer, place: int) -> dict[str, Any]:
    differs = each.comparable and place > 0  # comparable answers come first
    why = answers.causes(place) if differs else ()
    only = answers.contrasts[place - 1].only_in if differs else ()
    one = each.records[0]
    return {
        "machines": each.machines,
        "ending": each.ending.words,
        "ended_by": each.ending.by,
        "comparable": each.comparable,
        "differs_only_in": list(only),
        "likely_causes": [asdict(cause) for cause in why],
        "cut": each.cut,
        "stdout": each.stdout,
        "stdout_bytes": one.stdout_bytes,
        "stdout_sha256": one.stdout_sha256,
        "stderr": each.stderr,
        "stderr_bytes": one.stderr_bytes,
        "stderr_sha256": one.stderr_sha256,
    }


def _passing(answers: Answers) -> Iterator[str]:
    """Say which answers differ from the first in nothing that matters."""
    by_kinds: dict[tuple[str, ...], list[str]] = {}
    for other, found in zip(answers.comparable[1:], answers.contrasts, strict=True):
        if found.only_in:
            by_kinds.setdefault(found.only_in, []).extend(other.machines)
    for kinds, names in by_kinds.items():
        yield from (f"differs only in {_listed(kinds)} on {', '.join(names)}", "")


def _different(other: ProgramAnswer, found: Contrast, why: Sequence[Cause]) -> Iterator[str]:
    yield f"different on {_names(other)}: {_safe(other.result)}"
    if why:
        words = ", ".join(cause.words for cause in why)
        yield f"  likely because of: {words}" if len(why) == 1 else f"  these machines differ in: {words}"
    yield from _bounded([f"  {_safe(line)}" for line in found.stdout.lines])
    if found.stderr.lines:
        yield from ("  on standard error:", *_bounded([f"  {_safe(line)}" for line in found.stderr.lines]))
    if passing := found.stdout.passing + found.stderr.passing:
        yield f"  and {counted(passing, 'line')} that differ only in {_listed(found.kinds)}"
    if found.unseen and not found.stdout.lines and not found.stderr.lines:
        yield f"  the difference is beyond {_kept(other)}, which is all that was kept of its output"


def _output(answer: ProgramAnswer, most: int) -> Iterator[str]:
    """Yield what a program printed, and what of it is not shown."""
    for mark, text in (("|", answer.stdout), ("!", answer.stderr)):
        lines = text.split("\n")[:-1] if text.endswith("\n") else text.split("\n")
        yield from _bounded([f"  {mark} {_safe(line)}" for line in lines] if text else [], most)
        if text and not text.endswith("\n"):
            yield f"  {mark} (no newline at the end)"
    if answer.cut and answer.comparable:
        sizes = max((answer.records[0].stdout_bytes or 0), (answer.records[0].stderr_bytes or 0))
        yield f"  all {size_words(sizes)} of its output were compared, {_kept(answer)} were kept"


def _kept(answer: ProgramAnswer) -> str:
    size = max(len(text.encode(errors="replace")) for text in (answer.stdout, answer.stderr))
    return f"the first {size_words(size)}"


def _bounded(lines: Sequence[str], most: int = SHOWN_LINES) -> Iterator[str]:
    yield from lines[:most]
    if len(lines) > most:
        yield f"  … {counted(len(lines) - most, 'more line')}"


def _warned(answers: Answers, warnings: Mapping[str, str]) -> Iterator[str]:
    """Yield the compiler's warnings, equal ones once: they are often the reason of a difference."""
    by_words: dict[str, list[str]] = {}
    for name in (name for answer in answers.answers for name in answer.machines):
        if words := warnings.get(name, "").strip():
            by_words.setdefault(words, []).append(name)
    for words, names in by_words.items():
        yield f"the compiler warned, for {', '.join(names)}:"
        yield from _bounded([f"  {_safe(line)}" for line in words.split("\n")])
        yield ""


def _names(answer: ProgramAnswer) -> str:
    return ", ".join(answer.machines)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _safe_lines(text: str) -> str:
    return "\n  ".join(map(_safe, text.split("\n")))


def _safe(text: str) -> str:
    return printable(text, keep="\t")
