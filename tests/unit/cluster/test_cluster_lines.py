"""Which lines of hosts count, and which records."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_agent import record_of

from orchestrator.cluster.model import SignedLine, Unit
from orchestrator.cluster.scheduling.ledger import Refused, RunLines, Stale, UnitLines, parsed
from orchestrator.labfile.plan import Job

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
KEYS = {"a": KEY.public_key().public_bytes_raw().hex(), "b": OTHER.public_key().public_bytes_raw().hex()}
JOB = Job("run", "lab", "m", "", ("one", "two"))
UNIT = Unit("run", "bundle", (JOB,), places=("a", "b"))


def signed(line: SignedLine, key: Ed25519PrivateKey = KEY) -> str:
    return replace(line, signature=key.sign(line.signed()).hex()).to_json()


def line(number: int = 0, kind: str = "record", body: str = "", **more: object) -> SignedLine:
    made = SignedLine("a", UNIT.key, 1, number, kind, body or record_of(JOB, "one").to_json())
    return replace(made, **more)  # type: ignore[arg-type]


def ledger() -> RunLines:
    lines = UnitLines(UNIT)
    lines.give("a", 1)
    return RunLines({UNIT.key: lines})


def test_a_line_counts_once() -> None:
    book = ledger()
    assert book.record(book.line(signed(line()), KEYS)).exercise == "one"
    with pytest.raises(Stale):
        book.line(signed(line()), KEYS)


def test_a_unit_is_complete_when_no_line_before_its_end_is_missing() -> None:
    book = ledger()
    lines = book.units[UNIT.key]
    for number, kind in ((0, "word"), (2, "end")):
        book.line(signed(line(number, kind, "text")), KEYS)
        assert not lines.complete
    book.line(signed(line(1, "word", "text")), KEYS)
    assert lines.complete


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: signed(line(), OTHER), "signature"),
        (lambda: line().to_json(), "signature"),
        (lambda: json.dumps({**json.loads(signed(line())), "body": "other"}), "signature"),
        (lambda: signed(line(host="b"), OTHER), "not given to it"),
        (lambda: signed(line(epoch=2)), "not given to it"),
        (lambda: signed(line(unit="0" * 32)), "not of this run"),
        (lambda: signed(line(number=-1)), "impossible number"),
        (lambda: signed(line(number=10**9)), "impossible number"),
        (lambda: signed(line(body="x" * 5 * 2**20)), "too long"),
    ],
)
def test_a_line_that_its_host_may_not_send_is_refused(made: Callable[[], str], words: str) -> None:
    with pytest.raises(Refused, match=words):
        ledger().line(made(), KEYS)


def test_nothing_comes_after_the_end() -> None:
    book = ledger()
    book.line(signed(line(3, "end", "why")), KEYS)
    with pytest.raises(Refused, match="impossible number"):
        book.line(signed(line(4)), KEYS)


@pytest.mark.parametrize("change", [{"exercise": "three"}, {"machine": "other"}, {"run": "r2"}, {"lab": "x"}])
def test_a_record_that_the_unit_was_not_to_make_is_refused(change: dict[str, str]) -> None:
    book = ledger()
    body = replace(record_of(JOB, "one"), **change).to_json()  # type: ignore[arg-type]
    found = book.line(signed(line(body=body)), KEYS)
    with pytest.raises(Refused, match="not to make"):
        book.record(found)


def test_a_new_epoch_counts_anew_and_the_old_one_is_over() -> None:
    book = ledger()
    book.record(book.line(signed(line()), KEYS))
    book.units[UNIT.key].give("b", 2)
    with pytest.raises(Stale):
        book.line(signed(line(1)), KEYS)
    again = book.line(signed(line(host="b", epoch=2), OTHER), KEYS)
    with pytest.raises(Stale):  # the first record of an exercise stays
        book.record(again)
    second = line(1, body=record_of(JOB, "two").to_json(), host="b", epoch=2)
    assert book.record(book.line(signed(second, OTHER), KEYS)).host == "b"
    assert not book.lacks(UNIT.key)


def test_what_is_missing_is_given_out_once() -> None:
    book = ledger()
    book.record(book.line(signed(line()), KEYS))
    assert book.missing(UNIT.key) == [(JOB, "two")]
    assert book.missing(UNIT.key) == []


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=60) | _JSON.map(json.dumps))
def test_any_text_is_refused_as_a_line(text: str) -> None:
    with pytest.raises(Refused):
        parsed(text)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(asdict(line()))), _JSON)
def test_a_line_with_any_value_is_refused_or_has_its_types(name: str, value: object) -> None:
    try:
        found = parsed(json.dumps({**asdict(line()), name: value}))
    except Refused:
        return
    assert {key: type(one) for key, one in asdict(found).items()} == {
        key: type(one) for key, one in asdict(line()).items()
    }
