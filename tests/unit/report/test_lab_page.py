"""The page of a lab, to project: what of it is read, what a run adds, and what it keeps out.

After a wanted change of the page, run this file with ``tests/support`` on PYTHONPATH.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest
from html_elements import Elements, without_style_and_script
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_run import ABOUT, EXERCISES, HOSTILE, made_up, the_run
from places import GOLDEN

from orchestrator.cli.report import lab_page
from orchestrator.errors import SpecError
from orchestrator.labfile.models import Exercise
from orchestrator.paths import LAB_PAGES, LABS
from orchestrator.record import RECORDS
from orchestrator.report import render_lab_page
from orchestrator.results.comparison import Table, compare
from orchestrator.results.lab_page import PARTS, LabPage, page_of, read_page

GOLDEN_PAGE = GOLDEN / "report" / "lab-page.html"
PAGE = """# Lab `separation`

## Aims

Students can say *who* decides. <script>alert(1)</script>

## Further reading

Not to be projected.

## Teaching it

### The A list

1. `memory/types`: how wide,
   and which end.
2. `not/run`: nothing yet.

```sh
./isolab run separation
```

### Plan

| minutes | what |
|---|--:|
| 90 | all of it |

### To be typed live

```text
$ uname -m
x86_64
### no heading
```

The host's.

```text
$ getconf LONG_BIT
64
```

### Figure

![One host, two machines](two.svg)

### The row to show

`memory/types`: *byte
order*, and [more](https://www.kernel.org/) in [a file](../elsewhere.md).

### For an examination

1. Which?

<details><summary>Answers</summary>

1. The *first*.

</details>
"""
SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>'


def a_page(folder: Path, text: str = PAGE, svg: str = SVG) -> LabPage:
    (folder / "separation.md").write_text(text, encoding="utf-8")
    (folder / "two.svg").write_text(svg, encoding="utf-8")
    return read_page(folder / "separation.md")


def the_table() -> Table:
    return compare(the_run(), EXERCISES, about=ABOUT)


def shown(page: LabPage) -> str:
    return render_lab_page(the_table(), page)


def read(page: str) -> Elements:
    return Elements(page, {"meta", "img", "br", "wbr"})


def test_the_page_reads_as_agreed(tmp_path: Path) -> None:
    assert without_style_and_script(shown(a_page(tmp_path))) == GOLDEN_PAGE.read_text(encoding="utf-8")


def test_its_elements_nest_and_it_admits_only_its_own_style_and_script(tmp_path: Path) -> None:
    text = shown(a_page(tmp_path))
    page = read(text)
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    policy = next(attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs) or ""
    allowed = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert allowed["default-src"] == "'none'"
    assert allowed["img-src"] == "data:"
    for tag in ("style", "script"):
        (own,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{digest}'"
    for tag, attrs in page.tags:
        assert not {"srcset", "action", "style"} & attrs.keys(), tag
        assert (attrs.get("src") or "data:").startswith("data:")
        assert not [name for name in attrs if name.startswith("on")], tag


def test_what_others_wrote_stays_text(tmp_path: Path) -> None:
    """The lab's page, its figure, and what programs of the run printed."""
    page = a_page(tmp_path, PAGE.replace("memory/types", "hostile/printer"), svg=f"<svg>{HOSTILE}</svg>")
    text = shown(page)
    assert "<script>alert(1)" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert not {"\x00", "\x1b", "\u202e"} & set(text)
    assert read(text).open == []


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.sampled_from("`#|-*<>[]()!$ \n1.ab/&\"'"), max_size=200))
def test_whatever_its_parts_hold_its_elements_nest(text: str) -> None:
    page = LabPage("made-up", dict.fromkeys(PARTS, text))
    assert read(render_lab_page(the_table(), page)).open == []


def test_a_command_and_its_answer_are_apart_and_a_fence_has_no_headings(tmp_path: Path) -> None:
    page = a_page(tmp_path)
    assert "### no heading" in page.parts["To be typed live"]
    said = read(shown(page)).text
    assert said.index("$ uname -m") < said.index("What appears?") < said.index("x86_64")
    assert "Not to be projected" not in said


def test_the_row_that_the_page_points_at_is_marked(tmp_path: Path) -> None:
    text = shown(a_page(tmp_path))
    assert re.findall(r'<div class="row marked"><div class="label">([^<]+)<', text) == ["byte order"]
    assert text.count("How wide, and which end first") == 1


def test_attacks_are_shown_as_such(tmp_path: Path) -> None:
    files = Exercise(
        title="Files",
        run="./files",
        canaries=["file"],
        shows={"file_canary": "Overwrite a file", "again": "Once more"},
        checks=[{"that": "file_canary", "equals": "untouched", "why": "its own kernel"}],
    )
    records = [
        replace(
            made_up("memory/types", name),
            exercise="damage/files",
            observations={"file_canary": what, "again": 1},
        )
        for name, what in {"vm": "untouched", "process": "written"}.items()
    ]
    page = a_page(tmp_path, "## The row to show\n\n`damage/files`: *overwrite a file*\n")
    text = render_lab_page(compare(records, {"damage/files": files}), page)
    assert re.search(r'<tr class="marked"><th scope="row">Overwrite a file', text)
    assert "✗ NOT blocked" in text
    assert re.findall(r'<div class="label">([^<]+)', text) == ["Once more"]


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("# Nothing\n\n## Of ours\n", "has nothing to project"),
        ("## Aims\n\nNo text file's worth" + "x" * 2**18, "is larger than 256 KiB"),
        (PAGE.replace("two.svg", "three.svg"), "cannot read the figure"),
        (PAGE.replace("two.svg", "separation.md"), "is no picture"),
        (PAGE.replace("two.svg", "../../etc/two.svg"), "is elsewhere"),
    ],
    ids=["nothing", "large", "missing", "no picture", "elsewhere"],
)
def test_a_page_that_cannot_be_projected_is_refused_with_the_reason(
    tmp_path: Path, page: str, said: str
) -> None:
    with pytest.raises(SpecError, match=said):
        a_page(tmp_path, page)


def test_a_figure_that_is_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="larger than 2048 KiB"):
        a_page(tmp_path, svg="x" * (2**21 + 1))


@pytest.mark.parametrize(
    "labs", [(), ("separation", "memory"), ("my-lab",), ("../labs/memory",), ("README",)]
)
def test_only_built_in_labs_have_a_page_of_their_own(labs: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match=r"no page|of one lab") as refused:
        page_of(labs)
    assert "--page" in refused.value.hint


@pytest.mark.parametrize("lab", sorted(path.parent.name for path in LABS.glob("*/lab.yaml")))
def test_the_page_of_every_lab_can_be_projected(lab: str) -> None:
    page = read_page(page_of((lab,)))
    assert tuple(page.parts) == PARTS
    assert len(page.figures) == 1
    assert page_of((lab,)).parent == LAB_PAGES
    elements = read(shown(page))
    assert elements.open == []
    titles = [attrs["id"] for tag, attrs in elements.tags if tag == "section"]
    assert [f"typed-{number}" for number in (1, 2, 3)] == [name for name in titles if "typed" in str(name)]


def _a_run(folder: Path) -> Path:
    record = replace(
        made_up("memory/types", "vm"),
        reason="it was hidden",
        student_view={"reason": "", "observations": {}, "stdout": "", "stderr": "", "checks": []},
    )
    (folder / RECORDS).write_text(record.to_json() + "\n")
    return folder


def test_nothing_of_hidden_tests_is_projected(tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    assert lab_page(str(_a_run(tmp_path)), "", "text", str(out)) == 0
    text = out.read_text(encoding="utf-8")
    assert "it was hidden" not in text
    assert "hidden tests" not in text
    for form, reader in (("html", "lecturer"), ("csv", "")):
        with pytest.raises(SpecError):
            lab_page(str(tmp_path), "", form, str(out), reader)


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        GOLDEN_PAGE.write_text(without_style_and_script(shown(a_page(Path(made)))), encoding="utf-8")
