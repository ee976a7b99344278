"""Receipts: a line for each verdict, signed and chained, resumed after a kill, and found out when touched."""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from factories import record
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.deadline import Deadline
from orchestrator.errors import SpecError
from orchestrator.grading.heads import Heads
from orchestrator.grading.keys import PUBLIC_FILE, public_pem
from orchestrator.grading.receipts import (
    CUT_HINT,
    RECEIPTS,
    Graded,
    Receipt,
    Receipts,
    digest_of_record,
    parsed,
    read,
    sealed,
)
from orchestrator.grading.verification import Verification, verified, verify
from orchestrator.host import process
from orchestrator.record import RECORDS, Status

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
WHEN = datetime(2027, 3, 8, 17, 0, 0, 250000, UTC)
NAMES = st.text('aé"\\{}\n\u2028\U0001f600,:')
STUDENTS = ("anna", "ben", "chloë", "dora")


def line_of(student: str, points: float = 1.0, machine: str = "vm") -> bytes:
    """A line of records.jsonl."""
    one = record(student=student, status=Status.PASS, points=points, max_points=2.0, machine=machine)
    return one.to_json().encode()


def receipt(student: str = "anna", line: bytes = b"", **changes: object) -> Receipt:
    plain = Receipt(
        student=student,
        exercise="ipc/pipe",
        machine="vm",
        attempt=1,
        submission="5" * 64,
        public="a" * 64,
        hidden="b" * 64,
        template="micro-amd64-0123",
        qemu="QEMU emulator version 7.2.22 sha256:" + "c" * 64,
        isolab="0.1.0",
        result=digest_of_record(line or line_of(student)),
        time=WHEN,
        host="lab1",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def chained(*given_: Receipt, key: Ed25519PrivateKey = KEY) -> bytes:
    """A receipts.jsonl, as it would have been written."""
    raw, previous = [], ""
    for number, one in enumerate(given_, start=1):
        raw.append(sealed(one, number, previous, key))
        previous = digest_of_record(raw[-1])
    return b"".join(line + b"\n" for line in raw)


CLASS = chained(*map(receipt, STUDENTS))
GRADES = b"".join(line_of(student) + b"\n" for student in STUDENTS)


def problems(receipts: bytes = CLASS, records: bytes = GRADES) -> tuple[str, ...]:
    return verified(receipts, records, KEY.public_key()).problems


def test_a_line_is_what_is_documented() -> None:
    line = sealed(receipt("chloë"), 7, "d" * 64, KEY).decode("ascii")
    data = json.loads(line)
    assert list(data) == ["receipt", "signature"]
    assert list(data["receipt"]) == sorted(data["receipt"])
    assert {*data["receipt"]} == {*(one.name for one in fields(Receipt)), "format", "number", "previous"}
    unnamed = json.loads(sealed(replace(receipt("chloë"), host=""), 7, "d" * 64, KEY))
    assert {*data["receipt"]} - {*unnamed["receipt"]} == {"host"}, "receipts of before have no host"
    assert data["receipt"]["time"] == "2027-03-08T17:00:00.250000+00:00"
    assert '"student":"chlo\\u00eb"' in line
    assert " " not in line.replace("isolab receipt 1", "").replace("QEMU emulator version 7.2.22 ", "")


def test_what_is_appended_verifies(tmp_path: Path) -> None:
    with Receipts.open(tmp_path, KEY) as receipts:
        for student in STUDENTS:
            receipts.append(receipt(student))
    (tmp_path / RECORDS).write_bytes(GRADES)
    assert (tmp_path / RECEIPTS).read_bytes() == CLASS
    assert (tmp_path / PUBLIC_FILE).read_bytes() == public_pem(KEY.public_key())
    found = verify(tmp_path)
    head = digest_of_record(CLASS.splitlines()[-1])
    assert found == Verification((), 4, 0, 4, head, found.key)
    assert verify(tmp_path, KEY.public_key()) == found


def test_it_goes_on_where_it_was(tmp_path: Path) -> None:
    for student in STUDENTS:
        with Receipts.open(tmp_path, KEY) as receipts:
            receipts.append(receipt(student))
            assert receipts.dropped == ""
    assert (tmp_path / RECEIPTS).read_bytes() == CLASS
    with Receipts.open(tmp_path, KEY) as receipts:
        assert [*receipts.current] == [Graded(student, "ipc/pipe", "vm", 1) for student in STUDENTS]
        assert receipts.current[Graded("ben", "ipc/pipe", "vm", 1)] == receipt("ben")


@settings(max_examples=12)
@given(data=st.data())
def test_killed_while_it_wrote_it_drops_the_part_and_goes_on(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("killed")
    last = CLASS.rindex(b"\n", 0, -1) + 1
    kept = data.draw(st.integers(last + 1, len(CLASS) - 1))
    (folder / RECEIPTS).write_bytes(CLASS[:kept])
    with Receipts.open(folder, KEY) as receipts:
        assert f"({kept - last} byte" in receipts.dropped
        receipts.append(receipt(STUDENTS[-1]))
    assert (folder / RECEIPTS).read_bytes() == CLASS


@settings(max_examples=30)
@given(NAMES, NAMES, st.integers(1, 2**40), st.datetimes(timezones=st.just(UTC)))
def test_any_receipt_is_read_as_it_was_written(
    student: str, machine: str, attempt: int, when: datetime
) -> None:
    one = receipt(student, machine=machine, attempt=attempt, time=when)
    assert parsed(sealed(one, 1, "", KEY)).receipt == one


def test_what_can_be_read_is_read_whatever_is_beside_it() -> None:
    first, second, third, fourth = chained(*(receipt(who) for who in ("anna", "ben", "anna", "dora"))).split(
        b"\n"
    )[:4]
    found = read(b"\n".join([first, second.replace(b"ben", b"b"), third, fourth[:-9]]))
    assert [isinstance(line, str) for _, line in found.lines] == [False, False, False]
    found = read(b"\n".join([first, second[1:], third, fourth[:-9]]))
    assert found.lines[1] == (second[1:], "not a receipt with its signature")
    assert [line.number for line in found.readable] == [1, 3]
    assert [(place.student, line.number) for place, line in found.current.items()] == [("anna", 3)]
    assert found.rest == fourth[:-9]


def test_the_time_is_written_in_utc() -> None:
    there = WHEN.astimezone(timezone(timedelta(hours=8)))
    assert sealed(receipt(time=there), 1, "", KEY) == sealed(receipt(), 1, "", KEY)


def test_half_of_a_surrogate_pair_is_sealed_as_the_record_has_it() -> None:
    name = "x\udcff"
    assert problems(chained(receipt(name)), line_of(name) + b"\n") == ()


def test_an_append_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Receipts.open(tmp_path, KEY) as receipts:
        receipts.append(receipt("anna"))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            with pytest.raises(OSError, match="No space"):
                receipts.append(receipt("ben"))
        for student in STUDENTS[1:]:
            receipts.append(receipt(student))
    assert (tmp_path / RECEIPTS).read_bytes() == CLASS


def test_only_one_process_grades_into_a_folder(tmp_path: Path) -> None:
    with Receipts.open(tmp_path, KEY), pytest.raises(SpecError, match="another isolab is grading"):
        Receipts.open(tmp_path, KEY)
    Receipts.open(tmp_path, KEY).close()


def test_another_key_does_not_go_on(tmp_path: Path) -> None:
    with Receipts.open(tmp_path, KEY) as receipts:
        receipts.append(receipt())
    with pytest.raises(SpecError, match="signed by another key"):
        Receipts.open(tmp_path, OTHER)
    (tmp_path / PUBLIC_FILE).unlink()
    with pytest.raises(SpecError, match=r"receipts\.jsonl:1: not signed by the key"):
        Receipts.open(tmp_path, OTHER)
    assert (tmp_path / RECEIPTS).read_bytes() == chained(receipt())


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (CLASS.replace(b"ben", b"bEn", 1)[1:], ":1: not a receipt with its signature"),
        (CLASS.replace(b'"attempt":1', b'"attempt": 1', 1), ":1: not as isolab writes it"),
        (CLASS.split(b"\n", 1)[1], ":1: does not follow"),
    ],
)
def test_damaged_receipts_are_not_gone_on_with(tmp_path: Path, damaged: bytes, words: str) -> None:
    (tmp_path / RECEIPTS).write_bytes(damaged)
    with pytest.raises(SpecError, match=words):
        Receipts.open(tmp_path, KEY)
    assert (tmp_path / RECEIPTS).read_bytes() == damaged


def test_regraded_work_supersedes_its_receipt() -> None:
    again = line_of("ben", 2.0)
    records = GRADES.replace(line_of("ben"), again)
    found = verified(CLASS, records, KEY.public_key())
    assert found.problems == (
        "records.jsonl:2 (ipc/pipe of ben on vm): is not the result that was sealed (receipt in line 2)",
    )
    whole = chained(*map(receipt, STUDENTS), receipt("ben", again))
    found = verified(whole, records, KEY.public_key())
    assert (found.problems, found.receipts, found.superseded) == ((), 5, 1)
    assert problems(whole) == (
        "records.jsonl:2 (ipc/pipe of ben on vm): is an older result: what counts is the receipt in line 5",
    )


def test_attempts_count_each() -> None:
    second = line_of("anna", 2.0)
    whole = chained(receipt(), receipt("anna", second, attempt=2))
    assert problems(whole, line_of("anna") + b"\n" + second + b"\n") == ()
    assert problems(whole, second + b"\n") == (
        "receipts.jsonl:1 (ipc/pipe of anna on vm): its result is not in records.jsonl",
    )


def test_problems_name_line_student_and_exercise() -> None:
    lines = CLASS.splitlines(keepends=True)
    assert problems(records=GRADES.replace(line_of("ben") + b"\n", b"")) == (
        "receipts.jsonl:2 (ipc/pipe of ben on vm): its result is not in records.jsonl",
    )
    assert problems(records=GRADES + line_of("eve") + b"\n") == (
        "records.jsonl:5 (ipc/pipe of eve on vm): has no receipt",
    )
    assert problems(records=GRADES + line_of("ben") + b"\n") == (
        "records.jsonl:5 (ipc/pipe of ben on vm): is there more than once",
    )
    assert problems(b"".join(lines[:1] + lines[2:])) == (
        "receipts.jsonl:2 (ipc/pipe of chloë on vm): was sealed as number 3, after another line than the one "
        "before it: a line was changed, removed, added or moved",
        "receipts.jsonl:3 (ipc/pipe of dora on vm): was sealed as number 4, after another line than the one "
        "before it: a line was changed, removed, added or moved",
        "records.jsonl:2 (ipc/pipe of ben on vm): has no receipt",
    )


def test_names_are_made_printable() -> None:
    name = "\x1b[2Jeve\n"
    (found,) = problems(CLASS, GRADES + line_of(name) + b"\n")
    assert found == "records.jsonl:5 (ipc/pipe of \\x1b[2Jeve\\n on vm): has no receipt"


def test_receipts_of_another_key_are_said_once() -> None:
    found = problems(chained(*map(receipt, STUDENTS), key=OTHER))
    assert len(found) == 1
    assert "none of its lines is signed by this key" in found[0]


@settings(max_examples=80)
@given(st.integers(0, len(CLASS) - 1), st.integers(1, 255))
def test_any_byte_changed_in_the_receipts_is_found(place: int, bits: int) -> None:
    changed = CLASS[:place] + bytes([CLASS[place] ^ bits]) + CLASS[place + 1 :]
    assert problems(changed)


@settings(max_examples=50)
@given(st.integers(0, len(GRADES) - 1), st.integers(1, 255))
def test_any_byte_changed_in_the_records_is_found(place: int, bits: int) -> None:
    changed = GRADES[:place] + bytes([GRADES[place] ^ bits]) + GRADES[place + 1 :]
    assert problems(records=changed)


@settings(max_examples=40)
@given(st.lists(st.integers(0, len(STUDENTS) - 1), max_size=6))
def test_lines_removed_moved_or_doubled_are_found(order: list[int]) -> None:
    lines = CLASS.splitlines(keepends=True)
    changed = b"".join(lines[number] for number in order)
    assert bool(problems(changed)) == (order != [*range(len(lines))])


def test_a_line_sealed_anew_without_the_chain_is_found() -> None:
    """Whoever has the key can sign anything; the lines after it tell."""
    lines = CLASS.splitlines()
    lines[1] = sealed(receipt("ben", line_of("ben", 2.0)), 2, digest_of_record(lines[0]), KEY)
    changed = GRADES.replace(line_of("ben"), line_of("ben", 2.0))
    (found,) = problems(b"".join(one + b"\n" for one in lines), changed)
    assert found.startswith(
        "receipts.jsonl:3 (ipc/pipe of chloë on vm): was sealed as number 3, after another"
    )


def test_a_folder_without_its_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no receipts in"):
        verify(tmp_path)
    (tmp_path / RECEIPTS).write_bytes(CLASS)
    with pytest.raises(SpecError, match=r"cannot read the public key .*receipts\.pub"):
        verify(tmp_path)
    found = verify(tmp_path, KEY.public_key()).problems
    assert found[:2] == (
        "receipts.pub is missing: nobody else can verify; grading again writes it",
        "records.jsonl is missing",
    )
    (tmp_path / PUBLIC_FILE).write_bytes(public_pem(Ed25519PrivateKey.generate().public_key()))
    found = verify(tmp_path, KEY.public_key()).problems
    assert found[0] == "receipts.pub is not the key that these receipts were verified with"


def test_receipts_cut_off_at_the_end_are_missed_where_they_were_sealed(tmp_path: Path) -> None:
    """Together with their records, which the chain itself does not show."""
    folder, heads = tmp_path / "grades", Heads(tmp_path)
    folder.mkdir()
    with Receipts.open(folder, KEY, heads) as receipts:
        for student in STUDENTS:
            receipts.append(receipt(student))
    (folder / RECORDS).write_bytes(GRADES)
    assert verify(folder, heads=heads).problems == ()
    for name, whole in ((RECEIPTS, CLASS), (RECORDS, GRADES)):
        (folder / name).write_bytes(b"".join(whole.splitlines(keepends=True)[:-1]))
    assert verify(folder).problems == ()
    words = "4 receipts were sealed on this host, but only 3 are there"
    assert verify(folder, heads=heads).problems == (f"receipts.jsonl: {words}: {CUT_HINT}",)
    with pytest.raises(SpecError, match=words):
        Receipts.open(folder, KEY, heads)
    with Receipts.open(folder, KEY, Heads(tmp_path / "elsewhere")):
        pass


def test_verify_and_grade_say_the_same_of_a_part_of_a_line(tmp_path: Path) -> None:
    """A kill leaves a part of a line that was never sealed; what was sealed whole and cut is no such part."""
    folder, heads = tmp_path / "grades", Heads(tmp_path)
    folder.mkdir()
    with Receipts.open(folder, KEY, heads) as receipts:
        for student in STUDENTS:
            receipts.append(receipt(student))
    (folder / RECORDS).write_bytes(GRADES)
    path = folder / RECEIPTS
    whole = path.read_bytes()

    path.write_bytes(whole[:-50])
    problems = verify(folder, heads=heads).problems
    assert problems[0] == (
        f"receipts.jsonl: 4 receipts were sealed on this host, but only 3 are there: {CUT_HINT}"
    )
    assert not any("grade again" in words for words in problems)
    with pytest.raises(SpecError, match="4 receipts were sealed on this host") as caught:
        Receipts.open(folder, KEY, heads)
    assert caught.value.hint == CUT_HINT

    path.write_bytes(whole + b'{"receipt":{"att')
    [words] = verify(folder, heads=heads).problems
    assert "grade again, which drops the part and goes on" in words
    with Receipts.open(folder, KEY, heads) as receipts:
        assert "was dropped" in receipts.dropped
    assert path.read_bytes() == whole


def test_another_end_is_missed_where_the_first_was_sealed(tmp_path: Path) -> None:
    folder, heads = tmp_path / "grades", Heads(tmp_path)
    folder.mkdir()
    with Receipts.open(folder, KEY, heads) as receipts:
        for student in STUDENTS:
            receipts.append(receipt(student))
    (folder / RECEIPTS).write_bytes(chained(*map(receipt, STUDENTS[:-1]), receipt("eve")))
    (folder / RECORDS).write_bytes(GRADES.replace(line_of("dora"), line_of("eve")))
    assert verify(folder).problems == ()
    assert verify(folder, heads=heads).problems == (
        f"receipts.jsonl: receipt 4 is not the one that was sealed on this host: {CUT_HINT}",
    )


def test_a_head_that_is_behind_or_lost_is_no_problem(tmp_path: Path) -> None:
    """It is written after the receipt, and not synchronized."""
    folder, heads = tmp_path / "grades", Heads(tmp_path)
    folder.mkdir()
    with Receipts.open(folder, KEY, heads) as receipts:
        receipts.append(receipt(STUDENTS[0]))
    with Receipts.open(folder, KEY) as receipts:
        receipts.append(receipt(STUDENTS[1]))
    with Receipts.open(folder, KEY, heads) as receipts:
        receipts.append(receipt(STUDENTS[2]))
    (kept,) = (tmp_path / "receipt-heads").iterdir()
    kept.write_bytes(b"")
    with Receipts.open(folder, KEY, heads) as receipts:
        receipts.append(receipt(STUDENTS[3]))
    assert (folder / RECEIPTS).read_bytes() == CLASS
    assert heads.problem(CLASS.splitlines()[:-1])


BY_HAND = r"""
line=2
sed -n "${line}p" receipts.jsonl >line
sed 's/^{"receipt":\(.*\),"signature":"[^"]*"}$/\1/' line | tr -d '\n' >receipt
sed 's/^.*,"signature":"\([^"]*\)"}$/\1/' line | base64 -d >signature
openssl pkeyutl -verify -pubin -inkey receipts.pub -rawin -in receipt -sigfile signature
"""
"""How the documentation has it."""


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")
def test_openssl_verifies_a_receipt(tmp_path: Path) -> None:
    with Receipts.open(tmp_path, KEY) as receipts:
        for student in STUDENTS:
            receipts.append(receipt(student))

    def by_hand() -> process.Finished:
        argv = ["sh", "-ec", BY_HAND]
        return process.run(argv, deadline=Deadline.after(60), cwd=tmp_path, check=False)

    assert by_hand().code == 0
    changed = CLASS.replace(b'"student":"ben"', b'"student":"eve"')
    (tmp_path / RECEIPTS).write_bytes(changed)
    assert by_hand().code == 1
