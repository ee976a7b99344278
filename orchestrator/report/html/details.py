"""Details behind the cells of the page, as JSON: observations, output, source, explanation. Pure.

Each text is stored once, however many machines printed it. Limits shrink as the run grows, so that
the page of sixty exercises on fifteen machines loads at once, whatever the guests print.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from orchestrator.arch import ARCHITECTURES
from orchestrator.formatting import bounded, format_value, printable
from orchestrator.labfile.models import Check
from orchestrator.record import Record
from orchestrator.report import wording
from orchestrator.results.comparison import Cell, MachineColumn, Section, Table
from orchestrator.results.ending import ending_of

_OUTPUT_BUDGET, _SOURCE_BUDGET, _VALUE_BUDGET = 600_000, 500_000, 400_000
"""Limits for all texts of a kind together, in bytes of the page."""
_OBSERVATIONS = 60
"""Limit for one cell; the rest is only counted."""


class _Texts:
    """Distinct texts, by index."""

    def __init__(self) -> None:
        self._places: dict[str, int] = {}

    def __call__(self, text: str) -> int:
        return self._places.setdefault(text, len(self._places))

    def all(self) -> list[str]:
        return list(self._places)


class _LengthLimits:
    """Maximum length of a text, by kind."""

    def __init__(self, table: Table) -> None:
        records = table.records()
        outputs = {text for record in records for text in (record.stdout, record.stderr)}
        sources = {text for files in table.about.sources.values() for text in files.values()}
        values = sum(min(len(record.observations), _OBSERVATIONS) for record in records)
        self.output = _fitting(outputs, _OUTPUT_BUDGET, 4000)
        self.source = _fitting(sources, _SOURCE_BUDGET, 32_000)
        self.reason = wording.fitting_reason({record.reason for record in records})
        self.value = max(40, min(400, _VALUE_BUDGET // max(values, 1)))


def _fitting(texts: Collection[str], budget: int, limit: int) -> int:
    """Halve ``limit`` until the texts fit the budget."""
    while limit > 100 and sum(len(_json(_block(text, limit)).encode()) for text in texts) > budget:
        limit //= 2
    return limit


def details(table: Table) -> str:
    """Return JSON that is safe in a ``script`` element: it has no ``<`` (HTML, "Restrictions for
    contents of script elements")."""
    texts, limits = _Texts(), _LengthLimits(table)
    data = {
        "machines": [[column.name, _facts(column)] for column in table.machines],
        "exercises": [_exercise(section, table, texts, limits) for section in table.sections],
    }
    return _json(data | {"texts": texts.all()})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


def _facts(column: MachineColumn) -> str:
    return ", ".join(_words(fact) for fact in (column.boundary, column.arch, column.accel) if fact)


def _exercise(section: Section, table: Table, texts: _Texts, limits: _LengthLimits) -> dict[str, Any]:
    files = table.about.sources.get(section.name, {})
    return {
        "name": _words(section.name),
        "title": _words(section.title),
        "topic": _words(section.topic),
        "explain": _block(section.explain, 4000),
        "checks": [
            [_words(check.that), wording.wanted(check), _words(check.why)] for check in section.checks
        ],
        "rows": [
            [row.label, _words(row.key), row.attribution, list(map(texts, row.texts)), row.ranks]
            for row in section.rows
        ],
        "sources": [[_words(name), texts(_block(text, limits.source))] for name, text in files.items()],
        "cells": [
            _cell(cell, section, column, texts, limits)
            for cell, column in zip(section.cells, table.machines, strict=True)
        ],
    }


def _cell(
    cell: Cell, section: Section, column: MachineColumn, texts: _Texts, limits: _LengthLimits
) -> dict[str, Any] | None:
    record = cell.record
    if record is None:
        return None
    shown = list(record.observations.items())[:_OBSERVATIONS]
    return {
        "status": record.status,
        "how": texts("; ".join(_how(record))),
        "reason": texts(wording.reason(record.reason, limits.reason)),
        "checks": [place for place, check in enumerate(section.checks) if _applies(check, column)],
        "missed": [_words(one.that) for one in record.checks if not one.held],
        "seen": [[texts(_words(key)), texts(format_value(value, limits.value))] for key, value in shown],
        "more": len(record.observations) - len(shown),
        "out": texts(_block(record.stdout_escaped or record.stdout, limits.output)),
        "err": texts(_block(record.stderr_escaped or record.stderr, limits.output)),
    }


def _how(record: Record) -> Iterator[str]:
    yield f"{wording.number(record.points)} of {wording.number(record.max_points)} points"
    yield wording.duration(record.seconds)
    if record.exit_code is not None:
        yield f"exit code {record.exit_code}"
    elif record.signal:
        yield _words(ending_of(record).words)
    if record.cut:
        yield "output truncated"


def _applies(check: Check, column: MachineColumn) -> bool:
    """Return whether a check applies to this machine, as far as its architecture tells."""
    where, arch = check.where, ARCHITECTURES.get(column.arch)
    return (
        (not where.boundary or column.boundary in where.boundary)
        and (not where.arch or column.arch in where.arch)
        and (arch is None or where.bits in (None, arch.bits))
        and (arch is None or where.byte_order in (None, arch.byte_order))
    )


def _words(text: str) -> str:
    return bounded(printable(text), 200)


def _block(text: str, limit: int) -> str:
    return bounded(printable(bounded(text, limit), keep="\n\t"), limit)
