"""What one program answered on several machines: what counts as the same, and what never does."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from factories import record

from orchestrator.record import Record, Status
from orchestrator.results.answers import Answers, answers_of
from orchestrator.results.ending import ending_of
from orchestrator.results.line_diff import ADDRESSES, PROCESS_IDS, TIMES, compare_lines, passing_only


def ran(machine: str, out: str = "", err: str = "", **changes: Any) -> Record:
    """A record of a program that printed this and ended with 0."""
    known = {
        "stdout_bytes": len(out.encode()),
        "stdout_sha256": hashlib.sha256(out.encode()).hexdigest(),
        "stderr_bytes": len(err.encode()),
        "stderr_sha256": hashlib.sha256(err.encode()).hexdigest(),
    }
    fields = {"status": Status.PASS, "exit_code": 0, "stdout": out, "stderr": err, **known, **changes}
    return record(machine=machine, **fields)


def stopped(machine: str, why: str, **changes: Any) -> Record:
    about = {"status": Status.FAIL, "exit_code": None, "signal": "SIGKILL", "killed_for": why}
    return ran(machine, **{**about, **changes})


def of(*records: Record) -> Answers:
    return answers_of(records)


def test_equal_answers_become_one_and_the_most_common_comes_first() -> None:
    found = of(ran("s390x", "1\n"), ran("vm", "4\n"), ran("arm64", "4\n"))
    assert [family.machines for family in found.families] == [("vm", "arm64"), ("s390x",)]
    assert found.families[0].first.result == "exit 0"
    assert not found.same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (ran("a", "x"), ran("b", "x\n")),
        (ran("a", "x", ""), ran("b", "", "x")),
        (ran("a", "x"), ran("b", "x", exit_code=1)),
        (ran("a", exit_code=137), ran("b", exit_code=None, signal="SIGKILL")),
        (ran("a", "\0"), ran("b", "")),
        (ran("a", "x\r\n"), ran("b", "x\n")),
        (ran("a", "\ufffd", stdout_sha256="1" * 64), ran("b", "\ufffd", stdout_sha256="2" * 64)),
        (ran("a", "begin", cut=True, stdout_sha256="1" * 64), ran("b", "begin", cut=True, stdout_sha256="2")),
        (ran("a", "begin", cut=True, stdout_sha256=""), ran("b", "begin", cut=True, stdout_sha256="")),
        (ran("a", "x"), ran("b", "x", status=Status.SKIP, reason="needs root")),
        (ran("a"), ran("b", status=Status.ERROR, reason="it did not boot", exit_code=None)),
        (ran("a"), ran("b", status=Status.FAIL, reason="could not start: no such file", exit_code=None)),
    ],
)
def test_answers_that_are_not_the_same(one: Record, other: Record) -> None:
    assert not of(one, other).same
    assert of(one).same or one.cut


@pytest.mark.parametrize(
    "why", ["timeout", "output", "processor", "hangup", "memory", "cpu-limit", "unknown"]
)
def test_a_program_that_was_stopped_or_killed_has_not_answered(why: str) -> None:
    found = of(stopped("a", why), stopped("b", why))
    assert len(found.others) == 1
    assert (found.same, found.families) == (False, ())
    by = "isolab" if why in ("timeout", "output", "processor", "hangup") else "kernel"
    assert by in found.others[0].result


def test_how_much_a_stopped_program_printed_is_chance() -> None:
    found = of(
        stopped("a", "output", stdout="x", stdout_bytes=2**20),
        stopped("b", "output", stdout="xx", stdout_bytes=2**21),
    )
    (answer,) = found.others
    assert answer.result == "stopped by isolab: too much output (1.0 MiB to 2.0 MiB when it was stopped)"


def test_a_timeout_says_how_long_it_ran() -> None:
    found = of(stopped("a", "timeout", guest_seconds=1.0), stopped("b", "timeout", guest_seconds=4.25))
    assert (
        found.others[0].result
        == "stopped by isolab: time limit (still running after 1 to 4.25 s, scaled to its speed)"
    )


def test_dying_of_a_signal_of_its_own_is_an_answer() -> None:
    found = of(*(ran(name, exit_code=None, signal="SIGSEGV", status=Status.FAIL) for name in "ab"))
    assert found.same
    assert found.families[0].first.result == "killed by SIGSEGV"


def test_what_was_cut_is_the_same_if_its_digest_is() -> None:
    found = of(*(ran(name, "begin", cut=True, stdout_sha256="1" * 64) for name in "ab"))
    assert found.same
    assert found.families[0].first.cut


def test_a_machine_without_a_record_has_not_answered() -> None:
    found = answers_of([ran("a"), ran("b")], ["a", "b", "c"])
    assert (found.missing, found.same) == (("c",), False)


def test_endings_are_told_apart() -> None:
    assert ending_of(record(status=Status.FAIL, exit_code=3)).words == "exit 3"
    broken = record(status=Status.ERROR, reason="does not compile", exit_code=None)
    assert (ending_of(broken).words, ending_of(broken).comparable) == ("does not compile", False)
    assert (
        ending_of(record(status=Status.FAIL, exit_code=139)).words == "exit 139 (as a shell reports SIGSEGV)"
    )
    assert ending_of(record(status=Status.FAIL, exit_code=150)).words == "exit 150"


@pytest.mark.parametrize(
    ("one", "other", "only_in"),
    [
        ("buffer at 0x7ffd2c3a1b40\n", "buffer at 0x40800a10\n", (ADDRESSES,)),
        ("&x = 0xfff3a2b8\n", "&x = 0xbefff6a4\n", (ADDRESSES,)),
        ("p 0x7ffd2c3a1b40 q\n", "p 0x3ffffe10a8 q\n", (ADDRESSES,)),
        ("pid 4711\n", "pid 17\n", (PROCESS_IDS,)),
        ("getpid() = 4711, ppid: 1\n", "getpid() = 9, ppid: 3\n", (PROCESS_IDS,)),
        ("took 12.5 ms at 10:11:12\n", "took 300 ms at 10:11:13\n", (TIMES,)),
        ("now 1796029145\n", "now 1796029200\n", (TIMES,)),
        ("0x7ffd2c3a1b40\n", "0xbefff6a4\n", (ADDRESSES,)),
        ("I am process 4711\n", "I am process 1234\n", (PROCESS_IDS,)),
        ("my pid is 4711\n", "my pid is 9\n", (PROCESS_IDS,)),
        ("elapsed: 0.25\n", "elapsed: 1.5\n", (TIMES,)),
        ("pid 1 at 0x7ffd2c3a1b40\n", "pid 2 at 0x7ffd2c3a1c40\n", (ADDRESSES, PROCESS_IDS)),
        ("same\npid 1\nsame\n", "same\npid 2\nsame\n", (PROCESS_IDS,)),
    ],
)
def test_what_changes_by_itself_is_recognised(one: str, other: str, only_in: tuple[str, ...]) -> None:
    assert sorted(passing_only(one, other) or ()) == sorted(only_in)
    assert (compare_lines(one, other).lines, sorted(compare_lines(one, other).kinds)) == ((), sorted(only_in))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("long has 8 bytes\n", "long has 4 bytes\n"),
        ("stored as 0x12345678\n", "stored as 0x78563412\n"),
        ("stack holds 0x12345678\n", "stack holds 0x78563412\n"),
        ("heap: 0x123456789a\n", "heap: 0x9a78563412\n"),
        ("at 0x1122334455\n", "at 0x22334455\n"),
        ("crc 0x7f11223344\n", "crc 0x7f99887766\n"),
        ("value 0xffffff80\n", "value 0x80\n"),
        ("(char) at 0xffffff80\n", "(char) at 0x12345678\n"),
        ("id 5\n", "id 6\n"),
        ("0x12345678\n", "0x78563412\n"),
        ("0x89abcdef\n", "0x12345678\n"),
        ("process 1 of 4\n", "process 2 of 4\n"),
        ("sizeof(time_t) = 8\n", "sizeof(time_t) = 4\n"),
        ("runtime 8\n", "runtime 4\n"),
        ("pid 5 result 1\n", "pid 6 result 2\n"),
        ("pid 5\n", "pid 5\nmore\n"),
        ("pid 5", "pid 6\n"),
        ("a\tb\n", "a b\n"),
        ("one\x0bline\n", "one\nline\n"),
    ],
)
def test_a_real_difference_is_never_taken_for_one(one: str, other: str) -> None:
    assert compare_lines(one, other).lines
    assert passing_only(one, other) is None


def test_lines_that_pass_do_not_hide_those_that_differ() -> None:
    found = compare_lines("pid 1\nlong 8\nend\n", "pid 2\nlong 4\nend\n")
    assert found.lines == ("-long 8", "+long 4")
    assert (found.kinds, found.passing) == ((PROCESS_IDS,), 1)


def test_lines_in_the_same_place_are_shown_together() -> None:
    found = compare_lines("a\nb\nsame\n", "c\nd\nsame\n")
    assert found.lines == ("-a", "+c", "-b", "+d")
    assert compare_lines("a\nsame\n", "b\nc\nsame\n").lines == ("-a", "+b", "+c")


def test_a_missing_newline_at_the_end_is_a_difference() -> None:
    assert compare_lines("x\n", "x").lines == ("+\\ no newline at the end",)


def test_of_very_long_outputs_only_the_first_differences_are_compared() -> None:
    one = "".join(f"{n} a\n" for n in range(50_000))
    other = "".join(f"{n} b\n" for n in range(49_999))
    found = compare_lines(one, other)
    assert (len(found.lines), found.unexamined) == (2000, 49_000)
    late = compare_lines(one, one.replace("40000 a", "40000 b"))
    assert (late.lines, late.unexamined) == (("-40000 a", "+40000 b"), 0)
    assert passing_only("pid 1\n" * 6000, "pid 2\n" * 6000) is None


def test_equal_outputs_do_not_differ() -> None:
    assert compare_lines("a\n", "a\n").lines == passing_only("a\n", "a\n") == ()


def test_answers_that_differ_only_in_what_passes_say_so_and_are_still_not_the_same() -> None:
    found = of(ran("a", "pid 1\n"), ran("b", "pid 2\n"), ran("c", "pid 3\n"))
    assert (found.only_in, found.same) == ((PROCESS_IDS,), False)
    ends = of(ran("a", "pid 1\n"), ran("b", "pid 2\n", exit_code=1))
    assert ends.only_in == ()
    late = of(ran("a", "pid 1\n", cut=True), ran("b", "pid 2\n", cut=True))
    assert late.only_in == ()
    partly = of(ran("a", "pid 1\n"), ran("b", "pid 2\n"), stopped("c", "timeout"))
    assert partly.only_in == ()


def test_the_largest_family_comes_first_even_if_no_two_of_it_are_equal() -> None:
    found = of(
        ran("x", "pid 1\n4\n"), ran("y", "pid 1\n4\n"), *(ran(f"m{n}", f"pid {n}\n8\n") for n in range(3))
    )
    assert [family.machines for family in found.families] == [("m0", "m1", "m2"), ("x", "y")]
    assert [family.kinds for family in found.families] == [(PROCESS_IDS,), ()]
