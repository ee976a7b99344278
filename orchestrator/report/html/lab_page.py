"""A run's lab as one self-contained page to project: what its page says, with what the run found. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from orchestrator.formatting import printable
from orchestrator.labfile.canary_kinds import observation
from orchestrator.report import attacks, measured, wording
from orchestrator.report.html.markdown import to_html
from orchestrator.report.html.plot import OWN_KERNEL, drawn
from orchestrator.report.html.self_contained import environment, part, policy
from orchestrator.report.html.strip import strip
from orchestrator.results.attack_matrix import Attack, matrix_of
from orchestrator.results.comparison import Row, Section, Table
from orchestrator.results.lab_page import LabPage, without_pictures
from orchestrator.results.plot_data import PlotData

_CHOSEN = re.compile(r"^\d+\. `([^`\n]+)`:? *([^\n]*(?:\n {2,}\S[^\n]*)*)\n?", re.MULTILINE)
_TYPED = re.compile(r"^```text\n\$ (.+?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FOLDED = re.compile(r"<details><summary>([^<\n]*)</summary>\n(.*?)</details>", re.DOTALL)
_NAMED = re.compile(r"`([^`\n]+)`")
_EMPHASISED = re.compile(r"\*([^*]+)\*")


@dataclass(frozen=True)
class Chosen:
    """An exercise of the A list, its moral, and what the run found; None where it did not run."""

    name: str
    moral: Markup
    section: Section | None


@dataclass(frozen=True)
class Typed:
    """A command to be typed, what appears, and what to say of it."""

    command: str
    appears: str
    said: Markup


@dataclass(frozen=True)
class Folded:
    """Text, and what is opened after it: an answer under its ``summary``, where one follows."""

    text: Markup
    summary: str = ""
    answer: Markup | None = None


@dataclass(frozen=True)
class Found:
    """What a run found in one exercise: attacks, measurements, and the other rows to compare. ``marked`` are
    the labels of the rows and attacks that the page points at."""

    section: Section
    rows: tuple[Row, ...]
    marked: frozenset[str]
    attacks: tuple[Attack, ...]
    plots: tuple[tuple[PlotData, list[Markup]], ...]


@dataclass(frozen=True)
class _Seen:
    """The figures and attacks of all exercises of a run."""

    plots: tuple[tuple[PlotData, list[Markup]], ...]
    attacks: tuple[Attack, ...]


def render(table: Table, page: LabPage) -> str:
    """Render the page and the run as an HTML document for a projector."""
    style, script = part("style.css") + part("lab_page.css"), part("lab_page.js")
    parts = page.parts
    chosen = tuple(_chosen(parts.get("The A list", ""), table))
    seen = _Seen(tuple(drawn(table)), matrix_of(table).attacks)
    row = _pointed_at(parts.get("The row to show", ""), table, seen)
    there = [one.section for one in row]
    rest = [each.section for each in chosen if each.section is not None and each.section not in there]
    return (
        environment(part)
        .get_template("lab_page.html.j2")
        .render(
            table=table,
            page=page,
            parts=parts,
            text=_text,
            chosen=chosen,
            beside=to_html(_CHOSEN.sub("", parts.get("The A list", ""))),
            typed=tuple(_typed(parts.get("To be typed live", ""))),
            folded=folded,
            row=row,
            found=[_found(section, seen) for section in rest],
            attacked=attacks,
            measured=measured,
            own_kernel=OWN_KERNEL,
            boundaries=tuple(dict.fromkeys(machine.boundary for machine in table.machines)),
            style=Markup(style),
            script=Markup(script),
            policy=f"{policy(style, script)}; img-src data:",
            strip=strip,
            wording=wording,
        )
    )


def folded(text: str) -> Iterator[Folded]:
    """Yield the pieces of Markdown that answers are folded in."""
    end = 0
    for found in _FOLDED.finditer(text):
        yield Folded(to_html(text[end : found.start()]), found[1], to_html(found[2]))
        end = found.end()
    if text[end:].strip():
        yield Folded(to_html(text[end:]))


def _text(text: str) -> Markup:
    return to_html(without_pictures(text))


def _chosen(text: str, table: Table) -> Iterator[Chosen]:
    sections = {section.name: section for section in table.sections}
    for found in _CHOSEN.finditer(text):
        yield Chosen(printable(found[1]), to_html(found[2]), sections.get(found[1]))


def _typed(text: str) -> Iterator[Typed]:
    found = list(_TYPED.finditer(text))
    for place, one in enumerate(found, start=1):
        end = found[place].start() if place < len(found) else len(text)
        yield Typed(one[1], one[2], to_html(text[one.end() : end]))


def _pointed_at(text: str, table: Table, seen: _Seen) -> list[Found]:
    """Return what the run found in the exercises that a text names; rows that it names are marked."""
    named = _NAMED.findall(text)
    words = [" ".join(found.split()).casefold() for found in _EMPHASISED.findall(text)]
    return [_found(section, seen, words) for section in table.sections if section.name in named]


def _found(section: Section, seen: _Seen, words: Sequence[str] = ()) -> Found:
    plots = tuple(plot for plot in seen.plots if plot[0].exercise == section.name)
    tried = tuple(attack for attack in seen.attacks if attack.exercise == section.name)
    of_attacks = {observation(attack.canary) for attack in tried}
    rows = tuple(row for row in section.rows if row.key not in of_attacks)
    labels = [row.label for row in rows] + [attack.label for attack in tried]
    marked = frozenset(label for label in labels if label.casefold() in words)
    return Found(section, rows, marked, tried, plots)
