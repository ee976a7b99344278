"""The report as JSON, for other programs: the totals, the comparison, and every record."""

from __future__ import annotations

import json
from dataclasses import asdict
from math import isfinite
from typing import Any

from orchestrator.report.summary import Tally, summarize
from orchestrator.results.agreement import all_alike, reservations
from orchestrator.results.comparison import Section, Table
from orchestrator.results.plot_data import PlotData, plots_of


def render(table: Table) -> str:
    """Render one JSON object with ``summary``, ``machines``, ``comparison``, ``measured`` and ``records``.

    ``same`` is whether all machines gave the same answers, ``reservations`` what else stands against it than
    rows that differ.
    """
    summary = summarize(table)
    report = {
        "summary": _sums(summary.total) | {"slow": summary.slow},
        "incomplete": table.about.incomplete,
        "same": all_alike(table),
        "reservations": reservations(table),
        "machines": [asdict(column) | _sums(tally) for column, tally in summary.machines],
        "comparison": [row for section in table.sections for row in _rows(section)],
        "measured": [one for plot in plots_of(table) for one in _measured(plot, table)],
        "records": [asdict(record) for record in table.records()],
    }
    return json.dumps(_finite(report), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    """Replace NaN and infinities, which JSON lacks, with null."""
    if isinstance(value, float) and not isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _rows(section: Section) -> list[dict[str, Any]]:
    return [
        {
            "exercise": section.name,
            "key": row.key,
            "label": row.label,
            "cause": row.attribution,
            "goes_with": row.goes_with,
            "groups": [{"value": group.value, "machines": group.machines} for group in row.groups],
        }
        for row in section.rows
    ]


def _measured(plot: PlotData, table: Table) -> list[dict[str, Any]]:
    return [
        {
            "exercise": plot.exercise,
            "title": plot.title,
            "key": group.key,
            "label": group.label,
            "unit": plot.unit,
            "better": plot.better,
            "readings": {
                machine.name: asdict(mark.measurement) if mark.measurement else mark.reported
                for machine, mark in zip(table.machines, group.marks, strict=True)
            },
        }
        for group in plot.series
    ]


def _sums(tally: Tally) -> dict[str, Any]:
    counts = {str(status): number for status, number in tally.counts.items()}
    sums = {"points": tally.points, "max_points": tally.max_points, "seconds": round(tally.seconds, 3)}
    return {**counts, **sums}
