"""The reports: what each format says about one hostile run, kept in ``golden/report``.

After a wanted change of a report, run this file with ``tests/support`` on PYTHONPATH.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from html_elements import Elements, without_style_and_script
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up_figures import MEASURED, a_measuring_run
from made_up_run import ABOUT, EXERCISES, a_large_run, made_up, the_run
from places import GOLDEN
from rich.console import Console

from orchestrator.errors import SpecError
from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status
from orchestrator.report import FORMATS, render, text, write_reports
from orchestrator.results.comparison import RunInfo, compare

FILES = GOLDEN / "report"


def wide_text(width: int) -> str:
    return text.render(compare(the_run(), EXERCISES), width)


def page_without_style_and_script() -> str:
    return without_style_and_script(the_page())


def figures_of_the_page() -> str:
    page = render("html", compare(a_measuring_run(), MEASURED))
    return page[page.index('<section aria-labelledby="measured">') : page.index('<section id="differences"')]


GOLDEN_REPORTS: dict[str, Callable[[], str]] = {
    "text-100.txt": lambda: wide_text(100),
    "text-80.txt": lambda: wide_text(80),
    "report.md": lambda: render("markdown", compare(the_run(), EXERCISES, about=ABOUT)),
    "page.html": page_without_style_and_script,
    "junit.xml": lambda: render("junit", compare(the_run(), EXERCISES)),
    "report.csv": lambda: render("csv", compare(the_run(), EXERCISES)),
    "measured.md": lambda: render("markdown", compare(a_measuring_run(), MEASURED)),
    "measured-80.txt": lambda: text.render(compare(a_measuring_run(), MEASURED), 80),
    "measured.html": figures_of_the_page,
    "results.json": lambda: render("gradescope", compare(the_run(), EXERCISES)),
}


@pytest.mark.parametrize("name", GOLDEN_REPORTS)
def test_report_reads_as_agreed(name: str) -> None:
    assert GOLDEN_REPORTS[name]() == (FILES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_text_keeps_to_its_width_and_sends_nothing_to_the_terminal_but_text(width: int) -> None:
    report = wide_text(width)
    assert max(map(len, report.splitlines())) <= width
    assert report.replace("\n", "").isprintable()
    assert "[red]" in report


def test_text_in_colour_has_only_our_own_escape_sequences() -> None:
    out = StringIO()
    console = Console(file=out, width=200, force_terminal=True, color_system="standard", _environ={})
    console.print(text.renderable(compare(the_run(), EXERCISES), 200))
    assert "\x1b[" in out.getvalue()
    assert "\x1b[31mred" not in out.getvalue()


def read(page: str) -> Elements:
    return Elements(page, {"meta", "input", "br", "wbr"})


def the_page() -> str:
    return render("html", compare(the_run(), EXERCISES, about=ABOUT))


def details(page: str) -> dict[str, Any]:
    """The JSON that cells open to."""
    found = re.search(r'<script type="application/json" id="details">(.*?)</script>', page, re.DOTALL)
    assert found
    read: dict[str, Any] = json.loads(found[1])
    return read


def test_html_is_balanced_and_every_reference_stays_on_the_page() -> None:
    page = read(the_page())
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    for tag, attrs in page.tags:
        assert not {"src", "srcset", "action", "style"} & attrs.keys(), tag
        assert not [name for name in attrs if name.startswith("on")], tag
        assert attrs.get("aria-labelledby", "opened-title") in [*ids, "opened-title"]
        assert (attrs.get("href") or "#matrix").removeprefix("#") in ids


def test_html_admits_its_own_style_and_script_and_nothing_else() -> None:
    page = the_page()
    policy = next(attrs["content"] for _, attrs in read(page).tags if "http-equiv" in attrs) or ""
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    for tag in ("style", "script"):
        (text,) = re.findall(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{digest}'"


def test_html_has_no_script_but_its_own_and_loads_nothing() -> None:
    page = the_page()
    assert [tag for tag, _ in read(page).tags].count("script") == 2  # one of them is data
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert not {"\x00", "\x1b", "\u202e"} & set(page)
    assert not any(word in page for word in ("http://", "https://", "@import", "url("))


def test_html_has_an_answer_behind_every_verdict() -> None:
    page = the_page()
    buttons = [attrs.get("data-at") or "" for tag, attrs in read(page).tags if tag == "button"]
    places = [tuple(map(int, each.split())) for each in buttons if " " in each]
    cells = [one["cells"] for one in details(page)["exercises"]]
    assert len(places) == len(the_run())
    assert all(cells[line][place] for line, place in places)


def test_html_keeps_source_output_explanation_and_the_checks_of_that_machine() -> None:
    found = details(the_page())
    pipe, types = found["exercises"][1], found["exercises"][0]
    assert found["texts"][pipe["sources"][0][1]].startswith("int main(void)")
    assert types["explain"].startswith("The size of a pointer")
    assert types["checks"] == [["char_bits", "8", "POSIX says so"]]
    hostile = next(cell for cell in found["exercises"][4]["cells"] if cell)
    assert "<script>" in found["texts"][hostile["out"]]


def test_html_says_first_what_differs_most_tellingly() -> None:
    said = read(the_page()).text
    summary = said[: said.index("Exercises × machines")]
    assert "no on sandbox; yes on the other 9" in summary
    assert "32 on armhf, i386, mipsel; 64 on the other 9" in summary
    assert "the machine did not boot" in summary


@pytest.mark.parametrize("said", ["", "x" * 60_000, "\x1b<" * 30_000], ids=["ordinary", "long", "hostile"])
def test_html_of_sixty_exercises_on_fifteen_machines_stays_small(said: str) -> None:
    records = [replace(one, stdout=f"{place} {said}" if said else one.stdout)
               for place, one in enumerate(a_large_run())]  # fmt: skip
    about = RunInfo(sources={one.exercise: {"program.c": f"/* {one.exercise} */" * 900} for one in records})
    page = render("html", compare(records, about=about))
    assert len(page.encode()) <= 2 * 2**20
    assert len(read(page).tags) <= 15_000


def test_html_shows_figures_with_their_numbers() -> None:
    page = render("html", compare(a_measuring_run(), MEASURED))
    assert read(page).open == []
    said = read(page).text
    shown = said[said.index("There & back (lower is better)") : said.index("Differences by likely cause")]
    assert "Queue <1>" in shown
    assert "6.1–7.46, n 15" in shown
    assert "wall 7.2 µs" in shown
    assert "Measured" not in read(the_page()).text


def test_html_shows_attacks_by_machine_and_what_stopped_them() -> None:
    files = Exercise(
        title="Files",
        run="./files",
        canaries=["file"],
        shows={"file_canary": "Overwrite a file"},
        checks=[{"that": "file_canary", "equals": "untouched", "why": "its own kernel"}],
    )
    seen = {"vm": "untouched", "process": "<b>written</b>"}
    records = [
        replace(made_up("memory/types", name), exercise="damage/files", observations={"file_canary": what})
        for name, what in seen.items()
    ]
    said = read(render("html", compare(records, {"damage/files": files}))).text
    attacks = said[said.index("Attacks × machines") : said.index("Differences by likely cause")]
    assert "blockedits own kernel" in attacks
    assert "✗ NOT blocked" in attacks
    assert "<b>written</b>" in attacks
    assert "Attacks × machines" not in read(the_page()).text


def test_what_no_machine_answered_is_not_the_same_on_those_that_answered() -> None:
    spec = {
        "title": "Pipe",
        "run": "./a",
        "shows": {"crosses": "Crosses"},
        "checks": [{"that": "crosses", "equals": 1}],
    }
    unanswered = {"ipc/pipe": Exercise.model_validate(spec)}
    record = Record("r", "l", "h", "vm", "", "qemu", "vm", "amd64", "", "ipc/pipe", Status.FAIL, "lost")
    table = compare([record], unanswered)
    assert any(not row.groups for section in table.sections for row in section.rows)
    for form in ("text", "markdown", "html"):
        assert "on every machine that answered" not in render(form, table)


def test_junit_has_a_suite_per_machine_and_student() -> None:
    records = [made_up("memory/types", "vm", student) for student in ("ann", "bob")]
    suites = ET.fromstring(render("junit", compare(records))).findall("testsuite")
    assert [suite.get("name") for suite in suites] == ["ann/vm", "bob/vm"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "  =", "＝"])
def test_csv_has_no_formulas(start: str) -> None:
    record = Record(
        "r", "l", "h", "vm", f"{start}cmd()", "qemu", "vm", "amd64", "", "x", Status.FAIL, f"{start}1\n=2"
    )
    (line,) = csv.DictReader(StringIO(render("csv", compare([record]))))
    assert line["student"].startswith("'")
    assert line["reason"].startswith("'")


def test_gradescope_sums_up_and_an_error_of_ours_has_no_score() -> None:
    results = json.loads(render("gradescope", compare(the_run(), EXERCISES)))
    assert results["score"] == sum(record.points for record in the_run())
    unscored = {test["name"] for test in results["tests"] if "score" not in test}
    assert unscored == {
        "signals/handlers on mipsel", "namespaces/uts on process", "namespaces/uts on user-s390x",
    }  # fmt: skip


def test_gradescope_refuses_to_mix_students() -> None:
    records = [made_up("memory/types", "vm", student) for student in ("ann", "bob")]
    with pytest.raises(SpecError, match="one student"):
        render("gradescope", compare(records))


def test_json_has_the_records_and_the_comparison() -> None:
    report = json.loads(render("json", compare(the_run(), EXERCISES)))
    assert len(report["records"]) == report["summary"]["pass"] + 5 == len(the_run())
    causes = {row["label"]: row["cause"] for row in report["comparison"]}
    assert causes["byte order"] == "architecture"
    assert causes["host renamed"] == "boundary"


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(SpecError) as problem:
        render("pdf", compare([]))
    assert "markdown" in problem.value.hint


def test_a_run_leaves_three_reports(tmp_path: Path) -> None:
    paths = write_reports(tmp_path, compare(the_run(), EXERCISES))
    assert [path.name for path in paths] == ["report.html", "report.md", "junit.xml"]
    assert paths[0].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_measurements_on_a_busy_host_are_told_as_doubtful() -> None:
    idle = a_measuring_run()
    busy = [replace(one, contention=46.0 if one.machine == "s390x" else 3.0) for one in idle]
    words = "on s390x, programs waited for a processor for 46 % of the time"
    for form in ("text", "markdown", "html"):
        assert words in " ".join(render(form, compare(busy, MEASURED)).split())
        assert "waited for a processor" not in render(form, compare(idle, MEASURED))
    unmeasured = [replace(one, contention=99.0) for one in the_run()]
    assert "waited for a processor" not in render("text", compare(unmeasured, EXERCISES))


COMPILER = "mine.c does not compile:\nmine.c:3:5: error: expected ';'\n\t 3 | int x\n" + 40 * "note: more\n"


@pytest.mark.parametrize("form", ["text", "markdown", "html", "junit", "gradescope"])
def test_messages_of_a_compiler_are_whole_and_in_lines(form: str) -> None:
    record = replace(made_up("memory/types", "vm"), status=Status.FAIL, reason=COMPILER + "the last line")
    report = render(form, compare([record], EXERCISES))
    said = json.loads(report)["tests"][0]["output"] if form == "gradescope" else report
    lines = [line.strip() for line in html.unescape(said).splitlines()]
    place = lines.index("mine.c:3:5: error: expected ';'")
    assert lines[place + 1].split() == ["3", "|", "int", "x"]
    assert lines[place + 42].startswith("the last line")
    assert "\\n" not in said.replace('"texts"', "").split("<script")[0]


def test_warnings_are_shown_once_where_answers_differ_and_only_there() -> None:
    warning = "types.c:3:1: warning: comparison is always true\n  3 | if (c > -1)\n"
    records = [replace(one, warnings=warning) for one in the_run()]
    same = [one for one in records if one.machine in ("container", "vm")]
    for form in ("text", "markdown", "html"):
        said = render(form, compare(records, EXERCISES)).split('"details"')[0]
        # Machines differ on four of the five exercises.
        assert said.count("types.c:3:1: warning: comparison is always true") == 4
        assert "types.c:3:1" not in render(form, compare(same, EXERCISES))


def test_equal_messages_are_told_once_for_all_machines() -> None:
    records = [replace(made_up("memory/types", name), status=Status.FAIL, reason=COMPILER)
               for name in ("vm", "arm64", "s390x")]  # fmt: skip
    assert text.render(compare(records, EXERCISES)).count("mine.c:3:5") == 1


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=60)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(said=ANY_TEXT)
def test_anything_a_guest_says_can_be_reported(name: str, said: str) -> None:
    facts = ("r", "l", said, "vm", said, "qemu", "vm", "amd64", "")
    record = Record(*facts, said, Status.FAIL, said, observations={said: said}, stdout=said, stderr=said)
    report = render(name, compare([record]))
    assert report.encode()
    if name == "junit":
        ET.fromstring(report)
    if name in ("json", "gradescope"):
        json.loads(report)
    if name == "html":
        assert read(report).open == []


if __name__ == "__main__":
    for golden, make in GOLDEN_REPORTS.items():
        (FILES / golden).write_text(make(), encoding="utf-8")
