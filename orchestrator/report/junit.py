"""The report as JUnit XML, for continuous integration: one test suite per machine (and student)."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Sequence

from orchestrator.formatting import bounded, printable
from orchestrator.record import Record, Status
from orchestrator.report import wording
from orchestrator.results.comparison import MachineColumn, Table

_TEXT_LIMIT = 4000
_ELEMENTS = {Status.FAIL: "failure", Status.ERROR: "error", Status.SKIP: "skipped"}
_FACTS = ("student", "driver", "boundary", "arch", "accel")


def render(table: Table) -> str:
    """Render the report as an XML document. Characters not allowed in XML 1.0 are escaped."""
    root = ET.Element("testsuites", _sums(table.records()))
    for place, column in enumerate(table.machines):
        _suite(root, column, table.records(place))
    if table.about.incomplete:
        _incomplete(root, table.about.incomplete)
    return document(root)


def document(root: ET.Element) -> str:
    """Return a tree of elements as an XML document."""
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _suite(root: ET.Element, column: MachineColumn, records: Sequence[Record]) -> None:
    hosts = ", ".join(dict.fromkeys(record.host for record in records))
    attributes = {"name": legal(column.name), **_sums(records), "hostname": legal(hosts)}
    suite = ET.SubElement(root, "testsuite", attributes)
    properties = ET.SubElement(suite, "properties")
    for fact in _FACTS:
        if value := legal(getattr(column, fact)):
            ET.SubElement(properties, "property", {"name": fact, "value": value})
    for record in records:
        _case(suite, column, record)


def _incomplete(root: ET.Element, words: str) -> None:
    """Add an error of its own: what is there of an interrupted run may all have passed."""
    suite = ET.SubElement(root, "testsuite", {"name": "run", "tests": "1", "errors": "1"})
    case = ET.SubElement(suite, "testcase", {"classname": "run", "name": "comes to its end"})
    ET.SubElement(case, "error", {"message": legal(f"incomplete run: {words}")})
    for name in ("tests", "errors"):
        root.set(name, str(int(root.get(name, "0")) + 1))


def _case(suite: ET.Element, column: MachineColumn, record: Record) -> None:
    names = {"classname": legal(column.name), "name": legal(record.exercise)}
    case = ET.SubElement(suite, "testcase", {**names, "time": f"{record.seconds:.3f}"})
    if element := _ELEMENTS.get(record.status):
        tell(case, element, wording.reason(record.reason))
    elif record.reason:
        noted = ET.SubElement(case, "properties")
        ET.SubElement(noted, "property", {"name": "note", "value": legal(record.reason)})
    for name, output in (("system-out", record.stdout), ("system-err", record.stderr)):
        if output:
            ET.SubElement(case, name).text = legal(output)


def tell(case: ET.Element, element: str, reason: str) -> None:
    """Add an element (failure, error, skipped) with its printable reason to a test case."""
    head, several, _ = reason.partition("\n")
    told = ET.SubElement(case, element, {"message": head})
    if several:  # an attribute has no lines: XML 1.0, "Attribute-Value Normalization"
        told.text = reason


def _sums(records: Sequence[Record]) -> dict[str, str]:
    counts = Counter(record.status for record in records)
    return {
        "tests": str(len(records)),
        "failures": str(counts[Status.FAIL]),
        "errors": str(counts[Status.ERROR]),
        "skipped": str(counts[Status.SKIP]),
        "time": f"{sum(record.seconds for record in records):.3f}",
    }


def legal(text: str) -> str:
    """Escape what XML 1.0 does not allow in ``text``, all of it unprintable."""
    return bounded(printable(text, keep="\n\t"), _TEXT_LIMIT)
