"""The answers of one program on several machines, as text and as JSON. Pure.

Whatever a program printed is made printable: it must not control the terminal. Tabs stay tabs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.formatting import counted, printable, size_words
from orchestrator.results.answers import AnswerDifference, Answers, Family, ProgramAnswer

SHOWN_LINES = 60
_SHOWN_UNFINISHED = 8
"""Lines shown of a program that was stopped."""


def render(name: str, answers: Answers) -> str:
    """Describe the answers of the program ``name``: what they agree on, and each difference with what may
    explain it."""
    lines = [headline(name, answers)]
    if answers.families:
        lines += [*_among(answers, answers.families[0]), *_output(answers.families[0].first, SHOWN_LINES), ""]
    for place, found in enumerate(answers.differences, start=1):
        lines += [*_different(answers, place, found), ""]
    for other in answers.others:
        lines.append(f"no complete answer on {_names(other)}: {_safe_lines(other.result)}")
        lines += [*_output(other, _SHOWN_UNFINISHED), ""]
    if answers.missing:
        lines += [f"no answer at all on {', '.join(answers.missing)}: there is no result", ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def headline(name: str, answers: Answers) -> str:
    """Return the verdict in one line."""
    if not answers.families:
        return f"{printable(name)}: no machine gave a complete answer"
    return f"{printable(name)}: {_verdict(answers)}: {answers.families[0].first.result}"


def _verdict(answers: Answers) -> str:
    first, several = answers.families[0], _several(answers)
    if answers.same:
        return f"result on {first.machines[0]}" if several == 1 else f"the same on all {several} machines"
    if answers.only_in:
        return f"differs only in {_listed(answers.only_in)} on {several} machines"
    if len(answers.families) > 1:
        return f"{len(answers.families)} different results; most common, on {_names(first)}"
    if len(first.records) == 1:
        return f"a complete answer on {first.machines[0]} only, of {several} machines"
    return f"the same on {len(first.records)} of {several} machines"


def _several(answers: Answers) -> int:
    return len(_machines(answers)) + len(answers.missing)


def _machines(answers: Answers) -> list[str]:
    """Return the machines that have a result, in the order of the answers."""
    found: list[Family | ProgramAnswer] = [*answers.families, *answers.others]
    return [name for each in found for name in each.machines]


def as_data(answers: Answers) -> dict[str, Any]:
    """Return the same for programs: what JSON can hold."""
    found = [_family(answers, place) for place in range(len(answers.families))]
    return {
        "same": answers.same,
        "differs_only_in": list(answers.only_in),
        "without_answer": [*(name for each in answers.others for name in each.machines), *answers.missing],
        "answers": [*(each for family in found for each in family), *map(_answer, answers.others)],
    }


def _family(answers: Answers, place: int) -> list[dict[str, Any]]:
    """Return the answers of a family; all but its first say what they differ in from that."""
    family = answers.families[place]
    why = [asdict(cause) for cause in answers.causes(place)] if place else []
    rest = [family.kinds for _ in family.answers[1:]]
    return [
        _answer(each) | {"likely_causes": why, "differs_only_in": list(kinds)}
        for each, kinds in zip(family.answers, [(), *rest], strict=True)
    ]


def _answer(each: ProgramAnswer) -> dict[str, Any]:
    one = each.records[0]
    return {
        "machines": each.machines,
        "ending": each.ending.words,
        "ended_by": each.ending.by,
        "comparable": each.comparable,
        "differs_only_in": [],
        "likely_causes": [],
        "cut": each.cut,
        "stdout": each.stdout,
        "stdout_bytes": one.stdout_bytes,
        "stdout_sha256": one.stdout_sha256,
        "stderr": each.stderr,
        "stderr_bytes": one.stderr_bytes,
        "stderr_sha256": one.stderr_sha256,
    }


def _among(answers: Answers, family: Family) -> Iterator[str]:
    """Say what the answers of a family differ in, unless the headline says so."""
    if family.kinds and not answers.only_in:
        yield f"  (among these, it differs only in {_listed(family.kinds)})"


def _different(answers: Answers, place: int, found: AnswerDifference) -> Iterator[str]:
    family, why = answers.families[place], answers.causes(place)
    yield f"different on {_names(family)}: {_safe(family.first.result)}"
    yield from _among(answers, family)
    if why:
        words = ", ".join(cause.words for cause in why)
        yield f"  likely because of: {words}" if len(why) == 1 else f"  these machines differ in: {words}"
    yield from _bounded([f"  {_safe(line)}" for line in found.stdout.lines])
    if found.stderr.lines:
        yield from ("  on standard error:", *_bounded([f"  {_safe(line)}" for line in found.stderr.lines]))
    if more := found.stdout.unexamined + found.stderr.unexamined:
        yield f"  … {counted(more, 'more line')} not compared line by line"
    if passing := found.stdout.passing + found.stderr.passing:
        yield f"  and {counted(passing, 'line')} that differ only in {_listed(found.kinds)}"
    if found.unseen and not found.stdout.lines and not found.stderr.lines:
        yield f"  the difference is beyond {_kept(family.first)}, which is all that was kept of its output"


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


def _names(answer: ProgramAnswer | Family) -> str:
    return ", ".join(answer.machines)


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _safe_lines(text: str) -> str:
    return "\n  ".join(map(_safe, text.split("\n")))


def _safe(text: str) -> str:
    return printable(text, keep="\t")
