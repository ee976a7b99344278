"""How the answers of one program are told: in words, and to programs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from factories import record

from orchestrator.record import Record, Status
from orchestrator.report.answers import as_data, render
from orchestrator.results.answers import answers_of

LITTLE, BIG = {"byte_order": "little", "bits": 64}, {"byte_order": "big", "bits": 64}


def ran(machine: str, out: str = "", **changes: Any) -> Record:
    return record(machine=machine, **{"status": Status.PASS, "exit_code": 0, "stdout": out, **changes})


def told(*records: Record, expected: tuple[str, ...] = ()) -> str:
    return render("p.c", answers_of(records, expected))


def test_agreement_of_all_is_one_line_and_the_output() -> None:
    assert told(ran("a", "x\n"), ran("b", "x\n")) == "p.c: the same on all 2 machines: exit 0\n  | x\n"
    assert told(ran("a", "x\n")).startswith("p.c: result on a: exit 0")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (ran("c", status=Status.SKIP, reason="needs root"), "no complete answer on c: needs root"),
        (ran("c", status=Status.ERROR, reason="not up"), "no complete answer on c: not up"),
        (
            ran("c", status=Status.FAIL, exit_code=None, signal="SIGKILL", killed_for="memory"),
            "no complete answer on c: killed by the kernel: out of memory",
        ),
        (
            ran("c", "y\n", status=Status.FAIL, killed_for="timeout", guest_seconds=1.0),
            "no complete answer on c: stopped by isolab: time limit (still running after 1 s, scaled to its "
            "speed)\n  | y",
        ),
    ],
)
def test_a_machine_without_an_answer_is_never_counted_among_those_that_agree(
    other: Record, words: str
) -> None:
    text = told(ran("a", "x\n"), ran("b", "x\n"), other)
    assert text.startswith("p.c: the same on 2 of 3 machines: exit 0")
    assert words in text
    assert "all 3" not in text


def test_a_file_name_does_not_control_the_terminal() -> None:
    for some in ([ran("a", "x\n")], [ran("a", status=Status.FAIL, killed_for="output")]):
        assert "\x1b" not in render("e\x1b[31mx.c", answers_of(some))


def test_when_nobody_answered_nothing_is_the_same() -> None:
    text = told(*(ran(name, status=Status.FAIL, killed_for="output", stdout_bytes=2**20) for name in "ab"))
    assert text.startswith("p.c: no machine gave a complete answer\n")
    assert "on a, b: stopped by isolab: too much output (1.0 MiB when it was stopped)" in text


def test_one_answer_among_several_machines_is_no_agreement() -> None:
    text = told(ran("a"), ran("b", status=Status.SKIP, reason="r"), ran("c", status=Status.ERROR, reason="s"))
    assert text.startswith("p.c: a complete answer on a only, of 3 machines: exit 0")


def test_machines_that_vanished_are_named() -> None:
    text = told(ran("a"), ran("b"), expected=("a", "b", "c"))
    assert text.startswith("p.c: the same on 2 of 3 machines")
    assert "no answer at all on c" in text


def test_a_difference_says_what_may_explain_it_in_one_line() -> None:
    text = told(
        ran("a", "4\n", platform=LITTLE), ran("b", "4\n", platform=LITTLE), ran("c", "1\n", platform=BIG)
    )
    assert "different on c: exit 0\n  likely because of: byte order (big, not little)\n  -4\n  +1\n" in text


def test_several_explanations_are_not_called_likely() -> None:
    old = LITTLE | {"libc": "musl 1.2.3"}
    new = BIG | {"libc": "musl 1.2.5"}
    text = told(ran("a", "4\n", platform=old), ran("b", "4\n", platform=old), ran("c", "1\n", platform=new))
    assert "these machines differ in: byte order (big, not little), C library (musl 1.2.5, not" in text
    assert "likely" not in text


def test_no_explanation_is_made_up() -> None:
    text = told(ran("a", "4\n"), ran("b", "4\n"), ran("c", "1\n"))
    assert "likely" not in text
    assert "differ in" not in text


def test_what_changes_by_itself_is_said() -> None:
    text = told(ran("a", "pid 1\n"), ran("b", "pid 2\n"))
    assert text.startswith("p.c: differs only in process ids on 2 machines: exit 0\n")
    mixed = told(ran("a", "pid 1\n8\n"), ran("b", "pid 2\n8\n"), ran("c", "pid 3\n4\n"))
    assert mixed.startswith("p.c: 2 different results; most common, on a, b: exit 0\n")
    assert "(among these, it differs only in process ids)\n" in mixed
    assert "different on c: exit 0\n  -8\n  +4\n  and 1 line that differ only in process ids\n" in mixed


def test_a_difference_nobody_kept_is_said() -> None:
    text = told(
        *(
            ran(name, "begin\n", cut=True, stdout_bytes=90_000, stdout_sha256=name, stderr_sha256="e")
            for name in "ab"
        )
    )
    assert "the difference is beyond the first 6 bytes, which is all that was kept" in text


def test_output_that_was_cut_but_equal_says_what_was_compared() -> None:
    text = told(
        *(
            ran(name, "begin\n", cut=True, stdout_bytes=90_000, stdout_sha256="d", stderr_sha256="e")
            for name in "ab"
        )
    )
    assert "the same on all 2 machines" in text
    assert "all 88 KiB of its output were compared, the first 6 bytes were kept" in text


def test_long_outputs_say_how_much_is_not_shown() -> None:
    text = told(ran("a", "line\n" * 100))
    assert text.count("| line") == 60
    assert "… 40 more lines" in text


def test_tabs_stay_and_controls_are_shown_not_obeyed() -> None:
    text = told(ran("a", "a\tb\x1b[31m\0\r\x85\n"), ran("b", "", stderr="\x1b]0;title\x07"))
    assert "| a\tb\\x1b[31m\\x00\\r\\x85\n" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_bytes_that_are_not_text_are_shown_where_they_differ() -> None:
    text = told(
        ran("a", "\ufffd\n", stdout_escaped="\\xff\n", stdout_sha256="1", stderr_sha256="e"),
        ran("b", "\ufffd\n", stdout_escaped="\\xfe\n", stdout_sha256="2", stderr_sha256="e"),
    )
    assert "  -\\xff\n  +\\xfe\n" in text


def test_the_end_of_a_text_without_newline_is_shown() -> None:
    assert "  | x\n  | (no newline at the end)\n" in told(ran("a", "x"))


def test_the_error_output_is_compared_line_by_line_as_well() -> None:
    text = told(ran("a", stderr="same\nold\n"), ran("b", stderr="same\nnew\n"))
    assert "on standard error:\n  -old\n  +new\n" in text


def test_programs_learn_the_same() -> None:
    records = [
        ran("a", "4\n", platform=LITTLE),
        ran("b", "4\n", platform=LITTLE),
        ran("c", "1\n", platform=BIG),
    ]
    ended = ran("d", status=Status.FAIL, exit_code=None, signal="SIGKILL", killed_for="timeout")
    data = json.loads(json.dumps(as_data(answers_of([*records, ended], ["a", "b", "c", "d", "e"]))))
    assert (data["same"], data["without_answer"]) == (False, ["d", "e"])
    first, second, third = data["answers"]
    assert (first["machines"], first["ended_by"], first["likely_causes"]) == (["a", "b"], "itself", [])
    assert second["likely_causes"] == [{"name": "byte order", "here": "big", "there": "little"}]
    assert (third["ended_by"], third["comparable"]) == ("isolab", False)
