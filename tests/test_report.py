"""The reports: what each format says about one hostile run, kept in ``golden/report``.

After a wanted change of a report, ``python tests/test_report.py`` writes the golden files anew.
"""

from __future__ import annotations

import csv
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.contrast import contrast
from orchestrator.errors import SpecError
from orchestrator.record import Record, Status
from orchestrator.report import FORMATS, render, text, write_reports
from orchestrator.spec import Exercise

GOLDEN = Path(__file__).parent / "golden" / "report"
HOSTILE = "[red]x[/red] <script>alert(1)</script> \x1b[31mred\x1b[0m \x00 | `a` **b**\n=cmd() \u202egnp.exe"
MACHINES = {
    "process": ("process", "process", "amd64", ""),
    "sandbox": ("sandbox", "sandbox", "amd64", ""),
    "container": ("container", "container", "amd64", ""),
    "vm": ("qemu", "vm", "amd64", "kvm"),
    "user-s390x": ("process", "user-emulation", "s390x", "tcg"),
    **{
        arch: ("qemu", "emulated", arch, "tcg")
        for arch in ("arm64", "armhf", "riscv64", "ppc64el", "s390x", "i386", "mipsel")
    },
}
BITS_32 = ("armhf", "i386", "mipsel")
EXERCISES = {
    "memory/types": Exercise(
        title="How wide, and which end first",
        explain="The size of a pointer and the order of bytes are the machine's.\nGuest programs see both.",
        run="./types",
        shows={
            "pointer_bits": "bits of a pointer",
            "byte_order": "byte order",
            "char_bits": "bits of a char",
        },
        checks=[{"that": "char_bits", "equals": 8, "why": "POSIX says so"}],
    ),
    "ipc/pipe-capacity": Exercise(title="A pipe holds only so much", run="./capacity"),
    "namespaces/uts": Exercise(
        title="A host name of one's own", run="./uts", shows={"changed": "host renamed"}
    ),
    "signals/handlers": Exercise(title="Handlers | races", run="./handlers"),
}


def observed(exercise: str, machine: str) -> dict[str, Any]:
    """What the five made-up programs find."""
    _, boundary, arch, _ = MACHINES[machine]
    big = arch == "s390x"
    found: dict[str, dict[str, Any]] = {
        "memory/types": {
            "pointer_bits": 32 if machine in BITS_32 else 64,
            "byte_order": "big" if big else "little",
            "char_bits": 8,
        },
        "ipc/pipe-capacity": {"capacity": 2**20 if arch == "ppc64el" else 2**16, "writer_blocked": True},
        "namespaces/uts": {"changed": boundary in ("container", "vm", "emulated")},
        "signals/handlers": {},
        "hostile/printer": {"said": HOSTILE if big else "x" * 500, HOSTILE: 1},
    }
    return found[exercise]


def verdict(exercise: str, machine: str) -> tuple[Status, str]:
    match exercise, machine:
        case "ipc/pipe-capacity", "ppc64el":
            return Status.FAIL, "capacity: expected 65536, got 1048576"
        case "namespaces/uts", "process" | "user-s390x":
            return Status.SKIP, "needs root"
        case "signals/handlers", "mipsel":
            return Status.ERROR, "the machine did not boot: no console output for 60 s"
        case "hostile/printer", "s390x":
            return Status.FAIL, HOSTILE
    return Status.PASS, ""


def made_up(exercise: str, machine: str, student: str = "") -> Record:
    driver, boundary, arch, accel = MACHINES[machine]
    status, reason = verdict(exercise, machine)
    ran = status in (Status.PASS, Status.FAIL)
    return Record(
        run="r1",
        lab="separation",
        host="lab1",
        machine=machine,
        student=student,
        driver=driver,
        boundary=boundary,
        arch=arch,
        accel=accel,
        exercise=exercise,
        status=status,
        reason=reason,
        points=1.0 if status is Status.PASS else 0.0,
        max_points=1.0,
        seconds=30.0 if machine == "mipsel" else 4.25 if boundary == "emulated" else 0.5,
        guest_seconds=0.1,
        exit_code=0 if ran else None,
        observations=observed(exercise, machine) if ran else {},
        stdout=HOSTILE if exercise == "hostile/printer" else "",
        stderr="y" * 10_000 if (exercise, machine) == ("hostile/printer", "vm") else "",
    )


def the_run() -> list[Record]:
    """Five exercises on twelve machines; one machine never got to the last of them."""
    pairs = [(exercise, machine) for machine in MACHINES for exercise in (*EXERCISES, "hostile/printer")]
    return [made_up(*pair) for pair in pairs if pair != ("hostile/printer", "i386")]


def wide_text(width: int) -> str:
    return text.render(contrast(the_run(), EXERCISES), width)


GOLDEN_REPORTS: dict[str, Callable[[], str]] = {
    "text-100.txt": lambda: wide_text(100),
    "text-80.txt": lambda: wide_text(80),
    "report.md": lambda: render("markdown", the_run(), EXERCISES),
    "junit.xml": lambda: render("junit", the_run(), EXERCISES),
    "report.csv": lambda: render("csv", the_run(), EXERCISES),
    "results.json": lambda: render("gradescope", the_run(), EXERCISES),
}


@pytest.mark.parametrize("name", GOLDEN_REPORTS)
def test_report_reads_as_agreed(name: str) -> None:
    assert GOLDEN_REPORTS[name]() == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_text_keeps_to_its_width_and_sends_nothing_to_the_terminal_but_text(width: int) -> None:
    report = wide_text(width)
    assert max(map(len, report.splitlines())) <= width
    assert report.replace("\n", "").isprintable()
    assert "[red]" in report


def test_text_in_colour_has_only_our_own_escape_sequences() -> None:
    out = StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system="standard", _environ={})
    console.print(text.renderable(contrast(the_run(), EXERCISES), 200))
    assert "\x1b[" in out.getvalue()
    assert "\x1b[31mred" not in out.getvalue()


class Page(HTMLParser):
    """The elements of a page: whether they nest, their text, and what they refer to."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_html_is_balanced_and_every_reference_stays_on_the_page() -> None:
    page = Page(render("html", the_run(), EXERCISES))
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        assert not {"src", "srcset", "action", "style", "onclick"} & attrs.keys(), tag
        for name in ("popovertarget", "aria-labelledby"):
            assert attrs.get(name, ids[0]) in ids
        assert (attrs.get("href") or "#verdicts").removeprefix("#") in ids
    policy = next(attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs) or ""
    assert policy.startswith("default-src 'none'")


def test_html_has_no_script_but_its_own_and_loads_nothing() -> None:
    report = render("html", the_run(), EXERCISES)
    assert [tag for tag, _ in Page(report).tags].count("script") == 1
    assert "<script>alert(1)" not in report
    assert "&lt;script&gt;alert(1)" in report
    assert not {"\x00", "\x1b", "\u202e"} & set(report)
    assert not any(word in report for word in ("http://", "https://", "@import", "url("))


def test_html_has_an_answer_behind_every_verdict() -> None:
    tags = Page(render("html", the_run(), EXERCISES)).tags
    buttons = [attrs["popovertarget"] for tag, attrs in tags if tag == "button" and "aria-label" in attrs]
    answers = [attrs["id"] for tag, attrs in tags if tag == "article"]
    assert len(answers) == len(the_run())
    assert set(answers) == set(buttons)


def test_junit_has_a_suite_per_machine_and_student() -> None:
    records = [made_up("memory/types", "vm", student) for student in ("ann", "bob")]
    suites = ET.fromstring(render("junit", records)).findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["ann/vm", "bob/vm"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "  =", "＝"])
def test_csv_has_no_formulas(start: str) -> None:
    record = Record(
        "r", "l", "h", "vm", f"{start}cmd()", "qemu", "vm", "amd64", "", "x", Status.FAIL, f"{start}1\n=2"
    )
    (line,) = csv.DictReader(StringIO(render("csv", [record])))
    assert line["student"].startswith("'")
    assert line["reason"].startswith("'")


def test_gradescope_sums_up_and_an_error_of_ours_has_no_score() -> None:
    results = json.loads(render("gradescope", the_run(), EXERCISES))
    assert results["score"] == sum(record.points for record in the_run())
    unscored = {test["name"] for test in results["tests"] if "score" not in test}
    assert unscored == {
        "signals/handlers on mipsel", "namespaces/uts on process", "namespaces/uts on user-s390x",
    }  # fmt: skip


def test_gradescope_refuses_to_mix_students() -> None:
    records = [made_up("memory/types", "vm", student) for student in ("ann", "bob")]
    with pytest.raises(SpecError, match="one student"):
        render("gradescope", records)


def test_json_has_the_records_and_the_comparison() -> None:
    report = json.loads(render("json", the_run(), EXERCISES))
    assert len(report["records"]) == report["summary"]["pass"] + 5 == len(the_run())
    causes = {row["label"]: row["cause"] for row in report["comparison"]}
    assert causes["byte order"] == "architecture"
    assert causes["host renamed"] == "boundary"


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(SpecError) as problem:
        render("pdf", [])
    assert "markdown" in problem.value.hint


def test_a_run_leaves_three_reports(tmp_path: Path) -> None:
    paths = write_reports(tmp_path, the_run(), EXERCISES)
    assert [path.name for path in paths] == ["report.html", "report.md", "junit.xml"]
    assert paths[0].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(said=ANY_TEXT)
def test_anything_a_guest_says_can_be_reported(name: str, said: str) -> None:
    facts = ("r", "l", said, "vm", said, "qemu", "vm", "amd64", "")
    record = Record(*facts, said, Status.FAIL, said, observations={said: said}, stdout=said, stderr=said)
    report = render(name, [record])
    assert report.encode()
    if name == "junit":
        ET.fromstring(report)
    if name in ("json", "gradescope"):
        json.loads(report)
    if name == "html":
        assert Page(report).open == []


if __name__ == "__main__":
    for golden, make in GOLDEN_REPORTS.items():
        (GOLDEN / golden).write_text(make(), encoding="utf-8")
