"""The YAML dialect of lab files: what is read, what is refused, and where it says it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.labfile.yaml_document import MAX_BYTES, decode, parse, survey
from orchestrator.labfile.yaml_nodes import MAX_DEPTH, MAX_NODES

LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


def complaints(text: str) -> list[tuple[int, int, str]]:
    with pytest.raises(SpecError) as caught:
        parse(text, "lab.yaml")
    return [(problem.line, problem.column, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("true", True),
        ("False", False),
        ("", None),
        ("~", None),
        ("null", None),
        ("65536", 65536),
        ("-1", -1),
        ("0x1F", 31),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("yes", "yes"),
        ("on", "on"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("0666", "0666"),
        ("1_000", "1_000"),
        ("=", "="),
        ('"5"', "5"),
        ("!!str 5", "5"),
        ("!!float 5", 5.0),
        ("'true'", "true"),
    ],
)
def test_scalars_are_read_as_in_yaml_1_2(written: str, value: object) -> None:
    read = parse(f"key: {written}\n", "f").data["key"]
    assert (type(read), read) == (type(value), value)


def test_places_are_those_of_keys_and_values() -> None:
    document = parse("machines:\n  vm:   {cpus: 2}\nlist:\n- a\n- b\n", "f")
    assert document.place(("machines", "vm")) == (2, 9)
    assert document.place(("machines", "vm"), key=True) == (2, 3)
    assert document.place(("machines", "vm", "cpus")) == (2, 16)
    assert document.place(("list", 1)) == (5, 3)


def test_a_path_that_is_not_there_stands_for_its_nearest_ancestor() -> None:
    document = parse("machines:\n  vm: {cpus: 2}\n", "f")
    assert document.place(("machines", "vm", "memory", "x"), key=True) == (2, 7)
    assert document.place(("nothing",)) == (1, 1)


def test_an_alias_is_placed_where_its_value_is_written() -> None:
    document = parse("a: &small {cpus: 1}\nb: *small\n", "f")
    assert document.data == {"a": {"cpus": 1}, "b": {"cpus": 1}}
    assert document.place(("b", "cpus")) == (1, 18)
    assert document.place(("b",), key=True) == (2, 1)


def test_every_problem_of_form_is_reported() -> None:
    text = "a: 1\na: 2\n1: x\nb: !!python/object:os.system x\nc: {<<: {d: 1}}\ne: [.inf]\n? [f]\n: 1\n"
    assert complaints(text) == [
        (2, 1, "duplicate key 'a'; the first is on line 1"),
        (3, 1, "a key must be text"),
        (4, 4, "the tag '!!python/object:os.system' is not supported"),
        (5, 5, "merge keys (<<) are not supported"),
        (6, 5, "expected a finite number"),
        (7, 3, "a key must be text"),
    ]


def test_what_is_readable_beside_a_problem_is_kept() -> None:
    document = survey("a: 1\na: 2\nb: !x 3\n", "f")
    assert document.data == {"a": 1, "b": "3"}
    assert len(document.problems) == 2


@pytest.mark.parametrize("key", ["true", "~", "1.5", "0x1"])
def test_keys_are_text(key: str) -> None:
    assert complaints(f"{key}: x\n") == [(1, 1, "a key must be text")]


@pytest.mark.parametrize("tag", ["!!timestamp", "!!binary", "!!set", "!mine", "!!python/name:os.system"])
def test_other_tags_are_refused(tag: str) -> None:
    assert [found[:2] for found in complaints(f"a: {tag} x\n")] == [(1, 4)]


def test_a_tag_that_does_not_fit_its_value_is_refused() -> None:
    assert complaints("a: !!int x\n") == [(1, 4, "'x' does not match its tag !!int")]
    assert complaints("a: !!str [x]\n") == [(1, 4, "the tag '!!str' is not supported")]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "---\n", "\ufeff"])
def test_an_empty_file_is_a_problem(text: str) -> None:
    assert complaints(text) == [(1, 1, "the file is empty")]


def test_a_second_document_is_a_problem() -> None:
    assert complaints("a: 1\n---\nb: 2\n") == [(2, 1, "a second document starts here; only one is allowed")]


def test_a_syntax_error_says_where_it_is_and_where_it_began() -> None:
    place = "while parsing a flow sequence that starts on line 2"
    assert complaints("a: 1\nb: [1, 2\n") == [
        (3, 1, f"invalid YAML: expected ',' or ']', but got '<stream end>' ({place})")
    ]


def test_a_tab_is_named() -> None:
    assert complaints("a:\n\tb: 1\n") == [(2, 1, "tabs are not allowed here")]


def test_characters_that_cannot_be_seen_are_named() -> None:
    assert complaints("a: 1\nb: \0\n") == [(2, 4, "the character U+0000 is not allowed")]


def test_half_a_surrogate_pair_is_not_text() -> None:
    assert [found[:2] for found in complaints('a: "\\ud800"\n')] == [(1, 4)]


@pytest.mark.parametrize(
    "text", ['a: "\\UFFFFFFFF"', "%YAML " + "9" * 5000 + ".1\n---\na: 1", "a: " + "9" * 5000]
)
def test_numbers_out_of_range_are_problems(text: str) -> None:
    assert len(complaints(text)) == 1


def test_bytes_that_are_not_utf8_are_placed() -> None:
    with pytest.raises(SpecError) as caught:
        decode(b"a: 1\nb: \xc3\xa9\xff\n", "f")
    assert str(caught.value.problems[0]) == "f:2:5: the byte 0xff is not UTF-8 (save the file as UTF-8)"


def test_a_file_too_large_is_a_problem() -> None:
    with pytest.raises(SpecError, match="1 mistake"):
        decode(b"#" * (MAX_BYTES + 1), "f")
    assert complaints("#" * (MAX_BYTES + 1)) == [(0, 0, "the file is larger than 1 MiB")]


def test_a_billion_laughs_are_cut_short() -> None:
    levels = ["a0: &a0 [lol, lol]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)
    ]
    ((_, _, message),) = complaints("\n".join(levels))
    assert message == f"with aliases expanded, the file has more than {MAX_NODES} values"


def test_a_long_text_repeated_by_alias_is_cut_short() -> None:
    ((_, _, message),) = complaints(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 100)}]\n")
    assert "with aliases expanded" in message


def test_an_alias_of_itself_ends() -> None:
    assert complaints("a: &a [*a, {b: *a}]\n") == [
        (1, 4, "an alias refers to a value that contains it"),
        (1, 13, "an alias refers to a value that contains it"),
    ]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_depth_is_bounded(opening: str) -> None:
    ((_, _, message),) = complaints(opening * 5000)
    assert message == f"nested deeper than {MAX_DEPTH} levels"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
# PyYAML dumps, unquoted, some text that is a number in YAML 1.2: 1e5, 08.
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(
    lambda text: not re.match(r"[-+.]?[0-9]", text)
)
DATA = st.recursive(
    SCALARS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(DATA)
def test_plain_data_comes_back_as_it_was(data: Any) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    assert parse(text, "f").data == data


FRAGMENTS = (
    "a|b: |- |\n|\n  |[|]|{|}|, |? |&a |*a|!!int |! |>-\n|\"|'|\\x|---|...|#|\t|<<: |0x1|~|\r|\x85|\ufeff"
)
NOISE = st.text() | st.lists(st.sampled_from(FRAGMENTS.split("|")), max_size=30).map("".join)


@given(NOISE)
def test_any_text_is_data_or_a_spec_error_with_places_inside_the_text(text: str) -> None:
    lines = LINE_BREAK.split(text)
    try:
        document = parse(text, "f")
        places = {document.place(path, key=key) for path in document.places for key in (False, True)}
    except SpecError as error:
        places = {(problem.line, 1) for problem in error.problems}
    assert places
    for line, column in places:
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1


@given(st.binary())
def test_any_bytes_are_text_or_a_placed_problem(raw: bytes) -> None:
    lines = raw.split(b"\n")
    try:
        places = set()
        read = decode(raw, "f").encode()
    except SpecError as error:
        places = {(problem.line, problem.column) for problem in error.problems}
        read = b""
    assert places or read == raw
    assert all(line <= len(lines) and column <= len(lines[line - 1]) for line, column in places)
