"""Completion: what the words typed so far may continue with, and the scripts, sourced by their shells."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from lab_files import GOOD_LAB, make_folder

from orchestrator.arch import host_arch
from orchestrator.cli import main
from orchestrator.cli.completion import candidates, script
from orchestrator.cli.program import Command
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, SpecError
from orchestrator.host import process
from orchestrator.paths import ROOT


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)


def completed(line: str) -> list[str]:
    return [word for word, _ in candidates(Command().verbs(), line.split(" "))]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("val", ["validate"]),
        ("help sta", ["status"]),
        ("run separ", ["separation"]),
        ("run separation --exer", ["--exercise"]),
        ("run separation --only s3", ["s390x"]),
        ("run separation --only vm,process,sand", ["vm,process,sandbox"]),
        ("run separation --only vm,v", []),
        ("run separation --exercise ipc/pipe-", ["ipc/pipe-capacity"]),
        ("run separation --exercise cg", ["cgroups/memory", "cgroups"]),
        ("run separation --driver lib", ["libvirt"]),
        ("run --only v separ", ["separation"]),
        ("run separation --format j", ["json"]),
        ("run separation --format = j", ["json"]),
        ("run separation --format=j", ["--format=json"]),
        ("report --format j", ["junit", "json"]),
        ("report la", ["last"]),
        ("try x.c --on user-s3", ["user-s390x"]),
        (f"try x.c --on user-{host_arch().name}", []),
        ("up --machine pro", ["process"]),
        ("images pru", ["prune"]),
        ("images build deb", ["debian"]),
        ("images list --arch s3", ["s390x"]),
        ("list im", ["images"]),
        ("schema hid", ["hidden"]),
        ("ssh --user ro", ["root"]),
        ("ssh vm ls --us", []),
        ("try x.c -- --o", []),
        ("try x", []),
        ("bogus x", []),
    ],
)  # fmt: skip
def test_what_is_typed_is_completed(line: str, expected: list[str]) -> None:
    assert completed(line) == expected


def test_nothing_is_said_where_nothing_can_be_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["isolab", "--complete", "run", "nowhere", "--only", "x"]) == Exit.PASSED
    assert capsys.readouterr() == ("", "")


def test_an_option_is_offered_once() -> None:
    assert "--cold" in completed("run separation --")
    assert "--cold" not in completed("run separation --cold --")


def test_labs_and_runs_in_the_current_folder_are_offered(tmp_path: Path) -> None:
    (make_folder(tmp_path) / "lab" / "lab.yaml").write_text(GOOD_LAB)
    (tmp_path / "runs" / "20270301-1").mkdir(parents=True)
    (tmp_path / "runs" / "20270301-1" / "records.jsonl").touch()
    assert completed("run la") == ["lab"]
    assert completed("report runs") == ["runs/20270301-1"]


def test_every_value_that_is_offered_for_a_verb_belongs_to_one_of_its_arguments() -> None:
    from orchestrator.cli.completion.values import _OF_ALL, _OF_VERB

    verbs = Command().verbs()
    names = {name: {str(one.names[0]) for one in verb.arguments} for name, verb in verbs.items()}
    assert [(verb, name) for verb, name in _OF_VERB if name not in names[verb]] == []
    assert set(_OF_ALL) <= set().union(*names.values())


def test_there_is_no_script_for_another_shell() -> None:
    with pytest.raises(SpecError, match="no completion for shell 'tcsh'"):
        script("tcsh")


BASH = """
eval "$(isolab --print-completion-script bash)"
complete -p isolab
COMP_WORDS=(isolab run separation --only vm,s3); COMP_CWORD=4; _isolab; printf '%s\\n' "${COMPREPLY[@]}"
COMP_WORDS=(isolab schema hi); COMP_CWORD=2; _isolab; printf '%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
autoload -Uz compinit; compinit -D -u
eval "$(isolab --print-completion-script zsh)"
print $_comps[isolab]
_describe() { print -l ${(P)3} }
_files() { print files }
words=(isolab run separation --only vm,s3); CURRENT=5; _isolab
words=(isolab schema hi); CURRENT=3; _isolab
words=(isolab push vm ''); CURRENT=4; _isolab
"""
FISH = """
isolab --print-completion-script fish | source
complete -C 'isolab run separation --only vm,s3'
complete -C 'isolab schema hi'
touch there.c
complete -C 'isolab try th'
"""


@pytest.mark.parametrize(
    ("shell", "options", "lines", "expected"),
    [
        (
            "bash",
            ["--norc"],
            BASH,
            ["complete -o bashdefault -o default -F _isolab isolab", "vm,s390x", "hidden"],
        ),
        ("zsh", ["-f"], ZSH, ["_isolab", "vm,s390x:qemu", "hidden:", "files"]),
        ("fish", ["--no-config"], FISH, ["vm,s390x\tqemu", "hidden", "there.c"]),
    ],
)
def test_a_shell_that_sourced_its_script_completes(
    shell: str, options: list[str], lines: str, expected: list[str], tmp_path: Path
) -> None:
    program = shutil.which(shell)
    if program is None and shell != "bash":
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "isolab").symlink_to(ROOT / "isolab")
    env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path), "ISOLAB_STATE": str(tmp_path)}
    argv = [program or "bash", *options, "-c", lines]
    done = process.run(argv, deadline=Deadline.after(60), env=env, cwd=tmp_path, check=False)
    assert done.stdout.decode().splitlines() == expected
    assert done.stderr == b""
