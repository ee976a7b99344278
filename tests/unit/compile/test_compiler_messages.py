"""Compilers' messages: errors first, nothing lost, and none about files that are not for everyone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.compile.compiler_messages import errors_first, for_any_architecture, messages, without_files

CLANG = """\
wire.c does not compile for amd64:
wire.c:3:5: warning: unused variable 'x' [-Wunused-variable]
    3 | int x = 1;
      |     ^
In file included from hidden/prober.c:1:
./answer.h:9:1: error: unknown type name 'sise_t'
    9 | sise_t n;
      | ^
./answer.h:2:1: note: declared here
hidden/prober.c:7:9: error: use of undeclared identifier 'secret'
    7 | return secret == 42;
      |        ^
wire.c:8:2: error: expected ';'
1 warning and 3 errors generated."""
GNU = """\
x.c: In function 'main':
x.c:4:7: warning: unused variable 'a' [-Wunused-variable]
    4 |   int a;
/usr/bin/ld: /tmp/a.o: in function `main':
x.c:(.text+0x9): undefined reference to `gone'
collect2: error: ld returned 1 exit status"""


def test_errors_come_first_with_their_lines_and_nothing_is_lost() -> None:
    sorted_lines = errors_first(CLANG).split("\n")
    assert sorted_lines[0] == "wire.c does not compile for amd64:"
    assert sorted_lines[1:3] == [
        "In file included from hidden/prober.c:1:",
        "./answer.h:9:1: error: unknown type name 'sise_t'",
    ]
    assert sorted_lines.index("wire.c:8:2: error: expected ';'") < sorted_lines.index("    3 | int x = 1;")
    assert sorted(sorted_lines) == sorted(CLANG.split("\n"))
    assert sorted_lines[-1] == "1 warning and 3 errors generated."


def test_a_linker_s_errors_come_before_a_compiler_s_warnings() -> None:
    text = errors_first(GNU)
    assert text.index("undefined reference") < text.index("unused variable")
    assert text.index("In function 'main'") < text.index("unused variable")


def test_messages_about_a_file_go_with_what_they_quote() -> None:
    text = without_files(CLANG, {"hidden/prober.c"})
    assert "prober" not in text
    assert "secret" not in text
    assert "sise_t" not in text
    assert "wire.c:8:2: error: expected ';'" in text
    assert without_files(CLANG, set()) == CLANG


def test_the_architecture_leaves_the_first_line_only() -> None:
    assert for_any_architecture("x.c does not compile for arm64:\nnot for arm64:", "arm64") == (
        "x.c does not compile:\nnot for arm64:"
    )


@given(st.text("ab:\n 1error"))
def test_any_text_keeps_its_lines(text: str) -> None:
    assert "\n".join(line for one in messages(text) for line in one.lines) == text
    assert sorted(errors_first(text).split("\n")) == sorted(text.split("\n"))
