"""The receipt of a hand-in says what was handed in, and nobody can change a byte of it unseen."""

from __future__ import annotations

import os
import subprocess  # noqa: TID251 - the commands that students are told to type
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.work.receipt import HandInFacts, changed_files, receipt, verify_receipt
from orchestrator.grading.keys import public_pem

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
FILES = {"pipe/pipe.c": "ab" * 32, "pipe/with space": "cd" * 32, "odd\\name\udcff": "ef" * 32}
FACTS = HandInFacts(
    class_name="term",
    lab="small",
    seat="red",
    number=3,
    students=("ada", "bob\x1b[31m"),
    by="ada",
    time=datetime(2027, 3, 8, 9, 0, tzinfo=UTC),
    files=FILES,
    missing=("pipe/more.c is missing",),
    late="late by 1:00:00",
)


def test_it_says_what_was_handed_in_and_can_be_shown() -> None:
    text = receipt(FACTS, KEY)
    assert all(line.isprintable() for line in text.split("\n"))
    found = verify_receipt(text, KEY.public_key())
    assert (found.problems, found.files) == ((), FILES)
    told = {name: found.facts[name] for name in ("class", "lab", "seat", "number", "in time", "digest")}
    assert told == {
        "class": "term",
        "lab": "small",
        "seat": "red",
        "number": "3",
        "in time": "no, late by 1:00:00",
        "digest": FACTS.digest,
    }
    assert "2027-03-08T09:00:00+00:00" in found.facts["time"]
    assert "  - pipe/more.c is missing" in text


@settings(max_examples=30)
@given(st.data())
def test_no_character_of_it_can_be_changed(data: st.DataObject) -> None:
    text = receipt(FACTS, KEY)
    at = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("0aZ \n").filter(lambda one: one != text[at]))
    assert verify_receipt(text[:at] + other + text[at + 1 :], KEY.public_key()).problems


@pytest.mark.parametrize("text", ["", "isolab hand-in receipt 1\n", "signature: \n", "\nsignature: !"])
def test_what_is_no_receipt_is_told(text: str) -> None:
    assert verify_receipt(text, KEY.public_key()).problems


def test_another_key_signs_nothing_here() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    assert "not signed by this key" in verify_receipt(receipt(FACTS, other), KEY.public_key()).problems[0]


@settings(max_examples=30)
@given(st.sets(st.binary(min_size=1, max_size=9)))
def test_any_names_come_back(names: set[bytes]) -> None:
    files = {os.fsdecode(name): "ab" * 32 for name in names}
    facts = HandInFacts("term", "small", "s", 1, ("ada",), "ada", FACTS.time, files)
    assert verify_receipt(receipt(facts, KEY), KEY.public_key()).files == files


def test_files_that_were_changed_are_named() -> None:
    now = {"pipe/pipe.c": "00" * 32, "more": "11" * 32, "pipe/with space": "cd" * 32}
    words = changed_files(Path("files"), FILES, now)
    assert [line.partition(":")[0] for line in words] == ["odd\\name\udcff", "more", "pipe/pipe.c"]


def test_openssl_verifies_it_as_documented(tmp_path: Path) -> None:
    (tmp_path / "receipt.txt").write_text(receipt(FACTS, KEY))
    (tmp_path / "receipts.pub").write_bytes(public_pem(KEY.public_key()))
    script = (
        "sed '/^signature: /,$d' receipt.txt > text\n"
        "sed -n 's/^signature: //p' receipt.txt | base64 -d > signature\n"
        "openssl pkeyutl -verify -pubin -inkey receipts.pub -rawin -in text -sigfile signature\n"
    )
    done = subprocess.run(["sh", "-ec", script], check=False, cwd=tmp_path, capture_output=True, text=True)
    assert "Verified Successfully" in done.stdout, done.stderr
