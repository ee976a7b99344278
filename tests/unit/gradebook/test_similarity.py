"""Similar submissions: copies are found whatever they are called, what was handed out is not a likeness."""

from __future__ import annotations

import builtins
import html
import sys
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graded_class import HOSTILE, the_class
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import Unavailable
from orchestrator.gradebook.fingerprints import CHARACTERS, squeezed
from orchestrator.gradebook.similar_parts import merged, parts_of
from orchestrator.gradebook.similarity import likeness, similarity_html
from orchestrator.host.extras import how_to_install

SKELETON = """#include <stdio.h>
#include <stdlib.h>

/* Read a number of lines. Return how many there were, or -1. */
int count_lines(FILE *input, long most)
{
    if (input == NULL || most < 0)
        return -1;
"""
ONE = """    long lines = 0;
    for (int c = fgetc(input); c != EOF && lines < most; c = fgetc(input)) {
        if (c == '\\n')
            lines++;
    }
    printf("%ld\\n", lines);
    return lines > 0 ? (int)lines : 0;
}
"""
COPY = """    long n = 0; // mine!
    for (int ch = fgetc(input); ch != EOF && n < most; ch = fgetc(input))   {
        if (ch == '\\n')    n++;
    }
    printf("%ld lines", n);   /* and this */
    return n > 0 ? (int)n : 0;
}
"""
OTHER = """    char *buffer = malloc(4096);
    while (most-- && fgets(buffer, 4096, input)) {
        char *end = strchr(buffer, 10);
        if (end) *end = 0;
        total = total + strlen(buffer) * 2;
        switch (buffer[0]) { case 'a': puts("a"); break; default: abort(); }
    }
    free(buffer);
    exit(3);
}
"""


@pytest.fixture
def work(tmp_path: Path) -> dict[str, Path]:
    return written(tmp_path, {"ada": SKELETON + ONE, "bob": SKELETON + COPY, "eve": SKELETON + OTHER})


@pytest.fixture
def skeleton(tmp_path: Path) -> Path:
    place = tmp_path / "handed out" / "lines.c"
    place.parent.mkdir()
    place.write_text(SKELETON)
    return place


def written(folder: Path, texts: Mapping[str, str], name: str = "lines.c") -> dict[str, Path]:
    for student, text in texts.items():
        (folder / student).mkdir(exist_ok=True)
        (folder / student / name).write_text(text)
    return {student: folder / student for student in texts}


def test_without_the_extra_the_line_that_installs_it_is_named(
    work: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = builtins.__import__

    def lacks(name: str, *rest: Any) -> Any:
        if name.startswith("copydetect"):
            raise ImportError(name)
        return there(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacks)
    monkeypatch.delitem(sys.modules, "copydetect", raising=False)
    with pytest.raises(Unavailable) as caught:
        similarity_html(the_class(), work)
    assert caught.value.hint == how_to_install("similarity")


class TestWithCopydetect:
    @pytest.fixture(autouse=True)
    def _installed(self) -> None:
        pytest.importorskip("copydetect", reason="the extra `similarity` is not installed")

    def test_a_copy_is_found_under_other_names_spaces_and_comments(
        self, work: dict[str, Path], skeleton: Path
    ) -> None:
        (pair,) = likeness(work, [skeleton]).pairs
        assert (pair.one, pair.other, pair.file) == ("ada", "bob", "lines.c")
        assert pair.share > 0.8
        marked = "".join(part.text for part in pair.parts[1] if part.same)
        assert "ch != EOF && n < most" in marked
        assert "count_lines" not in marked

    def test_what_was_handed_out_is_no_likeness(self, tmp_path: Path, skeleton: Path) -> None:
        same = written(tmp_path, {"ada": SKELETON, "bob": SKELETON})
        assert likeness(same, [skeleton]).pairs == ()
        assert likeness(same, [skeleton.parent]).pairs == ()
        assert likeness(same).pairs[0].share == 1

    def test_an_exercise_that_all_solve_alike_does_not_hide_the_others(self, tmp_path: Path) -> None:
        everybody = [f"s{number:02}" for number in range(22)]
        work = written(tmp_path, dict.fromkeys(everybody, ONE))
        written(tmp_path, dict.fromkeys(everybody[:2], OTHER), "other.c")
        found = likeness(work)
        assert {pair.file for pair in found.pairs if pair.parts} == {"lines.c", "other.c"}
        assert len(found.pairs) + found.omitted == 22 * 21 // 2 + 1
        assert found.omitted > 100

    def test_a_team_is_not_compared_with_itself(self, work: dict[str, Path]) -> None:
        found = likeness({"ada": work["ada"], "bob": work["ada"]})
        assert (found.pairs, found.compared) == ((), 1)

    def test_the_same_submissions_have_the_same_page(self, work: dict[str, Path], skeleton: Path) -> None:
        assert similarity_html(the_class(), work, [skeleton]) == similarity_html(
            the_class(), work, [skeleton]
        )

    def test_hostile_names_and_sources_are_shown_escaped(self, tmp_path: Path) -> None:
        text = f"// {HOSTILE}\n" + ONE + 'char *s = "</pre><script>alert(2)</script>\x1b";\n'
        page = similarity_html(the_class(), written(tmp_path, {"eve": text, "bob": text}))
        assert page.count("<script>") == 1
        assert not {*page} & {*"\x1b\u202e"}
        assert r"\x1b" in html.unescape(page)
        assert "Bob Example (bob)" in page

    def test_links_are_not_followed(self, tmp_path: Path) -> None:
        secret = tmp_path / "secret.c"
        secret.write_text(ONE)
        folders = written(tmp_path, {"ada": "", "bob": ""})
        for folder in folders.values():
            (folder / "lines.c").unlink()
            (folder / "lines.c").symlink_to(secret)
            (folder / "more").symlink_to(tmp_path)
        assert likeness(folders).compared == 0

    def test_what_there_was_no_time_for_is_named(self, work: dict[str, Path]) -> None:
        found = likeness(work, seconds=-1)
        assert found.uncompared == ("ada: lines.c", "bob: lines.c", "eve: lines.c")
        assert found.compared == 0


@settings(max_examples=30)
@given(text=st.text(st.sampled_from("ab \n\t/*\"'\\{#"), max_size=60))
def test_squeezed_characters_are_where_they_were(text: str) -> None:
    for language in ("c", "python", ""):
        code, origin = squeezed(text, language)
        assert len(origin) == len(code) + 1
        assert list(origin) == sorted(origin)
        for char, place in zip(code, origin, strict=False):
            assert char == text[place] or (char.isspace() and text[place] in " \n\t/")


def test_comments_and_repeated_spaces_are_gone() -> None:
    assert squeezed("a  /* b */ // c\n\n\n'/*' \"//\" /", "c")[0] == "a '/*' \"//\" /"
    assert squeezed("# a  b\n\n c", "python")[0] == "# a b\nc"


@pytest.mark.parametrize("unit", ["/*", '"\\', "'\\\"", " \n", "/", "//", "\\\n"])
def test_hostile_sources_are_squeezed_in_linear_time(unit: str) -> None:
    """In quadratic time this test would not come to its end: so many characters would take hours."""
    code, _ = squeezed(unit * 200_000, "c")
    assert len(code) <= CHARACTERS


@settings(max_examples=30)
@given(spans=st.lists(st.tuples(st.integers(-3, 30), st.integers(-3, 30)), max_size=8))
def test_merged_spans_hold_the_same_characters_in_order(spans: list[tuple[int, int]]) -> None:
    found = merged(spans, 20)
    inside = {place for start, end in spans for place in range(max(0, start), min(20, end))}
    assert {place for start, end in found for place in range(start, end)} == inside
    assert all(one[1] < other[0] for one, other in pairwise(found))


@settings(max_examples=30)
@given(text=st.text("ab\n", max_size=400), spans=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90))))
def test_short_texts_are_shown_whole(text: str, spans: list[tuple[int, int]]) -> None:
    assert "".join(part.text for part in parts_of(text, spans)) == text


def test_long_texts_are_shown_where_they_are_alike() -> None:
    text = "".join(f"line {number}\n" for number in range(5000))
    start = text.index("line 2500")
    parts = parts_of(text, [(start, start + 30)])
    assert [part.same for part in parts] == [False, True, False]
    assert "lines) …" in parts[0].text
    assert len("".join(part.text for part in parts)) < 1500
    assert len("".join(part.text for part in parts_of(text, [(0, len(text))]))) < 9000
