"""Arguments in each other's place get the line that was meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import GOOD_LAB, make_folder

from orchestrator.cli import main, swapped
from orchestrator.errors import Exit, SpecError


class Machine:
    def __init__(self, name: str) -> None:
        self.name, self.machine = f"session/{name}", name


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    (make_folder(tmp_path) / "lab" / "lab.yaml").write_text(GOOD_LAB)
    monkeypatch.chdir(tmp_path)
    Path("hello world.c").write_text("int main(void) { return 0; }\n")
    Path("ex").mkdir()
    Path("ex/exercise.yaml").touch()
    Path("r").mkdir()
    Path("r/records.jsonl").touch()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("try", "-5x", "hello world.c"), "hint: arguments of the program that begin with a dash follow --"),
        (("try", "arg", "hello world.c", "b"), "isolab try 'hello world.c' arg b"),
        (("try", "s390x", "x"), "isolab try FILE --on s390x"),
        (("try", "helo world.c"), "did you mean 'hello world.c'?"),
        (("try", "lab"), "isolab run lab"),
        (("try", "separation"), "isolab run separation"),
        (("run", "hello world.c"), "isolab try 'hello world.c'"),
        (("validate", "ex"), "isolab new"),
        (("run", "r/records.jsonl"), "isolab report r"),
        (("copy", "mine", "separation"), "built-in labs:"),
    ],
    ids=str,
)
def test_the_line_that_was_meant_is_told(
    words: tuple[str, ...], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["isolab", *words]) == Exit.BAD_INPUT
    assert hint in capsys.readouterr().err


def test_a_link_that_leads_nowhere_is_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dangling.c").symlink_to("/nowhere")
    assert main.run(["isolab", "try", "dangling.c"]) == Exit.BAD_INPUT
    assert "dangling.c: a link to '/nowhere', which is not there" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_the_machine_comes_first(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(swapped, "session_machines", lambda: [Machine("vm")])
    with pytest.raises(SpecError) as caught:
        swapped.require_machine_first(verb, "a.c", ["b.c", "vm"])
    assert caught.value.hint == f"the machine comes first: isolab {verb} vm a.c b.c"
    swapped.require_machine_first(verb, "vm", ["a.c"])
    swapped.require_machine_first(verb, "vm", ["session/vm"])
    swapped.require_machine_first(verb, "nobody", ["a.c"])
