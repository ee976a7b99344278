"""What compilers said, as `try` shows it: errors first, equal words once, no message without its lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli.try_build import SHOWN_LINES, build_data, failures_text, messages, say_build
from orchestrator.compile.cross import Built
from orchestrator.errors import BuildError, SpecError
from orchestrator.run.prebuild import Prebuilt, choose

WORDS = """\
cc -c a.c
In file included from a.c:1:
a.c:3:5: warning: unused variable 'x' [-Wunused-variable]
    3 | int x;
      |     ^
cc -c b.c
a.c:9:1: error: unknown type name 'foo'
    9 | foo f;
      | ^
a.c:2:1: note: declared here
a.c:3:5: warning: unused variable 'x' [-Wunused-variable]
    3 | int x;
      |     ^
"""


def failed(arch: str, words: str, summary: str = "prog.c does not compile") -> BuildError:
    return BuildError(f"{summary} for {arch}", words=words)


def test_errors_come_first_with_their_lines_and_equal_messages_once() -> None:
    found = messages(WORDS)
    assert [message.kind for message in found] == ["error", "warning", "", ""]
    assert (
        found[0].text
        == "a.c:9:1: error: unknown type name 'foo'\n    9 | foo f;\n      | ^\na.c:2:1: note: declared here"
    )
    assert found[1].text.startswith("a.c:3:5: warning")
    assert found[1].text.count("\n") == 2
    kept = {line for message in found for line in message.text.splitlines()}
    assert kept == set(WORDS.splitlines())


def test_a_failure_equal_on_all_architectures_is_told_once_without_naming_them() -> None:
    ready = Prebuilt(None, {}, {arch: failed(arch, "prog.c:1:1: error: x") for arch in ("amd64", "s390x")})
    assert failures_text("prog.c", ready) == "prog.c does not compile:\n  prog.c:1:1: error: x"


def test_failures_that_differ_name_their_architectures() -> None:
    ready = Prebuilt(
        None,
        {"amd64": Built({}, {})},
        {"armhf": failed("armhf", "a.c:1:1: error: x", "`make` failed"), "s390x": failed("s390x", "b")},
    )
    assert failures_text("folder", ready).splitlines() == [
        "folder does not compile: `make` failed for armhf:",
        "  a.c:1:1: error: x",
        "prog.c does not compile for s390x:",
        "  b",
    ]


def test_long_words_are_cut_on_screen_and_whole_in_json() -> None:
    words = "\n".join(f"line {number}" for number in range(SHOWN_LINES + 5))
    ready = Prebuilt(None, {}, {"amd64": failed("amd64", words)})
    assert failures_text("x", ready).endswith("  … 5 more lines (--format json has all)")
    failures = build_data(ready)["failures"]
    assert isinstance(failures, dict)
    assert failures["amd64"]["output"] == words


@pytest.mark.parametrize("wanted", [True, False])
def test_warnings_are_shown_if_wanted_and_notes_always(
    wanted: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Built({}, {}, "cc x\nx.c:1:1: warning: w\n", ("left out: queue, a FIFO",))
    say_build("x", Prebuilt(None, {"amd64": made, "s390x": made}, {}), warnings=wanted)
    shown = capsys.readouterr().out
    assert "note: left out: queue, a FIFO\n" in shown
    assert ("the compiler warns:\n  x.c:1:1: warning: w" in shown) == wanted


def programs(folder: Path, **contents: str) -> Built:
    for name, text in contents.items():
        (folder / name).write_text(text)
    return Built({name.replace("_", "/"): folder / name for name in contents}, {})


def test_of_copies_one_is_chosen_and_all_can_be_named(tmp_path: Path) -> None:
    built = programs(tmp_path, dist_bin_a="one", a="one")
    assert choose(built, "") == "a"
    assert choose(built, "dist/bin/a") == "dist/bin/a"


def test_one_of_several_programs_is_chosen_by_path_or_by_name(tmp_path: Path) -> None:
    built = programs(tmp_path, bin_a="1", bin_b="2", test_b="3")
    assert choose(built, "bin/b") == choose(built, "./bin/b") == "bin/b"
    assert choose(built, "./a") == "bin/a"
    assert choose(built, "a") == "bin/a"
    for program, words, hint in (
        ("", "3 programs: bin/a, bin/b, test/b", "--program bin/a"),
        ("b", "2 programs: bin/b, test/b", "--program bin/b"),
        ("c", "no such program", "it makes: bin/a, bin/b, test/b"),
    ):
        with pytest.raises(SpecError) as wrong:
            choose(built, program)
        assert words in wrong.value.message
        assert hint in wrong.value.hint
