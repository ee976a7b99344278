"""Digests of submissions, exercises and hidden tests, and who can compute them without isolab."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.grading.digests import (
    digest_of_digests,
    digest_of_exercise,
    digest_of_files,
    qemu_identity,
)
from orchestrator.host import process
from orchestrator.labfile.load import load_exercise

NAMES = st.text("ab/ \\\né\udcff", min_size=1, max_size=3)
FILES = st.dictionaries(NAMES, st.sampled_from([b"", b"a", b"b"]), max_size=3)


@settings(max_examples=40)
@given(FILES, FILES)
def test_only_the_same_files_have_the_same_digest(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (digest_of_files(one) == digest_of_files(other)) == (one == other)
    assert digest_of_files(dict(reversed(one.items()))) == digest_of_files(one)


def test_names_cannot_imitate_further_files() -> None:
    """The list of the files would be the same, were their names not escaped."""
    digest = hashlib.sha256(b"").hexdigest()
    assert digest_of_files({"a": b"", "b": b""}) != digest_of_files({f"a\n{digest}  b": b""})
    assert digest_of_files({"a\n": b""}) != digest_of_files({"a\\n": b""})


def test_digests_of_the_files_will_do() -> None:
    files = {"wire.c": b"int main(void) {}", "sub/x.h": b""}
    each = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    assert digest_of_digests(each) == digest_of_files(files)


def test_sha256sum_gives_the_same(tmp_path: Path) -> None:
    files = {"wire.c": b"a", "Wire.h": b"b", "sub/ä b.c": b"", "back\\slash": b"c", "bytes\udcff": b"d"}
    for name, data in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    script = "export LC_ALL=C; find . -type f -printf '%P\\0' | sort -z | xargs -0 sha256sum | sha256sum"
    done = process.run(["sh", "-c", script], deadline=Deadline.after(60), cwd=tmp_path)
    assert done.stdout.decode().split()[0] == digest_of_files(files)


HIDDEN = """
build: {sources: [secret/prober.c]}
files: [cases.txt]
run: ./prober
checks: [{that: answer, equals: 1}]
wrong: {guesses: [answer]}
"""
EXERCISE = """
title: Wire
build: {sources: [wire.c, tester.c, ../common/hear.c]}
shared: [common]
run: ./wire
student: {files: [wire.c]}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An exercise with a file of each kind."""
    texts = {
        "wire/exercise.yaml": EXERCISE,
        "wire/hidden.yaml": HIDDEN,
        "common/hear.c": "",
        "wire/secret/cases.h": "",
    }
    names = ("README.md", "tester.c", "cases.txt", "secret/prober.c", "skeleton/wire.c", "solution/wire.c")
    for name in (*names, "wrong/guesses/wire.c"):
        texts[f"wire/{name}"] = f"// {name}\n"
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path / "wire"


@pytest.mark.parametrize(
    ("name", "public", "hidden"),
    [
        ("exercise.yaml", True, False),
        ("README.md", False, False),
        ("tester.c", True, False),
        ("skeleton/wire.c", True, False),
        ("../common/hear.c", True, False),
        ("hidden.yaml", False, True),
        ("cases.txt", False, True),
        ("secret/prober.c", False, True),
        ("secret/cases.h", False, True),
        ("solution/wire.c", False, False),
        ("wrong/guesses/wire.c", False, False),
    ],
)
def test_a_changed_file_changes_its_digest_only(folder: Path, name: str, public: bool, hidden: bool) -> None:
    before = digest_of_exercise(load_exercise(folder, "wire"))
    with (folder / name).open("a") as file:
        file.write("\n# changed\n")
    after = digest_of_exercise(load_exercise(folder, "wire"))
    assert (before[0] != after[0], before[1] != after[1]) == (public, hidden)


def test_an_exercise_without_hidden_tests_has_no_digest_of_them(folder: Path) -> None:
    with_hidden = digest_of_exercise(load_exercise(folder, "wire"))
    assert with_hidden[1]
    for name in ("hidden.yaml", "cases.txt"):
        (folder / name).unlink()
    shutil.rmtree(folder / "secret")
    assert digest_of_exercise(load_exercise(folder, "wire")) == (with_hidden[0], "")


def test_qemu_says_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qemu-system-made-up"
    program.write_text("#!/bin/sh\necho QEMU emulator version 9.9.9\necho Copyright\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    assert qemu_identity(program.name) == f"QEMU emulator version 9.9.9 sha256:{digest}"
    with pytest.raises(Unavailable, match="qemu-system-missing is not installed"):
        qemu_identity("qemu-system-missing")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("run: ./wire", "files: [README.md]\nrun: ./wire"),
        ("run: ./wire", "run: [{run: ./wire, stdin: README.md}]"),
        (
            "build: {sources: [wire.c, tester.c, ../common/hear.c]}",
            "build: {command: make, in: guest, output: wire}",
        ),
        ("tester.c, ", "teller.c, "),
    ],
    ids=["a file", "an input", "a makefile's", "included"],
)
def test_a_readme_counts_where_a_program_uses_it(folder: Path, old: str, new: str) -> None:
    (folder / "teller.c").write_text('const char words[] = {\n#embed "README.md"\n};\n')
    text = (folder / "exercise.yaml").read_text()
    assert old in text
    (folder / "exercise.yaml").write_text(text.replace(old, new))
    before = digest_of_exercise(load_exercise(folder, "wire"))
    (folder / "README.md").write_text("Other words.\n")
    assert digest_of_exercise(load_exercise(folder, "wire"))[0] != before[0]
