"""What names on the command line mean: topics, patterns, the last run, machines without a lab; what can be
listed and started from; and what works on other hosts."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path

import pytest
from factories import record

from orchestrator.cli import main
from orchestrator.cli.choose import chosen
from orchestrator.cli.program import PORTABLE
from orchestrator.errors import Exit, SpecError
from orchestrator.labfile.builtin import builtin_labs
from orchestrator.labfile.load import load_lab
from orchestrator.labfile.new_lab import spec_name
from orchestrator.paths import EXERCISES
from orchestrator.record import Status
from orchestrator.results.last_run import find_run, remember
from orchestrator.run.adhoc import lab_of_machines

KNOWN = ("ipc/pipe", "ipc/pipe-capacity", "memory/maps", "./own", "./ipc/mine")


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    monkeypatch.chdir(tmp_path)


def isolab(*words: str) -> int:
    return main.run(["isolab", *words])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([], ()),
        (["ipc/pipe"], ("ipc/pipe",)),
        (["ipc/pipe*"], ("ipc/pipe", "ipc/pipe-capacity")),
        (["ipc"], ("ipc/pipe", "ipc/pipe-capacity", "./ipc/mine")),
        (["ipc/"], ("ipc/pipe", "ipc/pipe-capacity", "./ipc/mine")),
        (["memory/maps", "ipc/pipe"], ("ipc/pipe", "memory/maps")),
        (["*/m?*"], ("memory/maps", "./ipc/mine")),
        (["own"], ("./own",)),
        (["./own"], ("./own",)),
        (["ipc/[pq]ipe"], ("ipc/pipe",)),
    ],
)
def test_topics_and_patterns_mean_all_that_match(written: list[str], meant: tuple[str, ...]) -> None:
    assert chosen(written, KNOWN, "exercise") == meant


@pytest.mark.parametrize(
    ("written", "message"),
    [("ipc/x*", "no exercise of the lab matches 'ipc/x*'"), ("ipc/pip", "has no exercise 'ipc/pip'")],
)
def test_what_matches_nothing_is_a_mistake(written: str, message: str) -> None:
    with pytest.raises(SpecError, match=message.replace("*", r"\*")):
        chosen(["ipc/pipe", written], KNOWN, "exercise")


def test_a_plan_is_of_machines_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("plan", "separation", "--only", "vmm") == Exit.BAD_INPUT
    assert isolab("plan", "separation", "--only", "user-*", "--format", "json") == Exit.PASSED
    assert [one["name"] for one in json.loads(capsys.readouterr().out)["machines"]] == ["user-s390x"]


def make_run(folder: Path, when: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "records.jsonl").write_text(record("ipc/pipe", status=Status.PASS).to_json() + "\n")
    os.utime(folder / "records.jsonl", (when, when))
    return folder


def test_the_last_run_is_the_latest_wherever_it_lies(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no last run"):
        find_run("last")
    first = make_run(tmp_path / "runs" / "1", 1000)
    elsewhere = make_run(tmp_path / "elsewhere" / "caf\udce9", 2000)
    assert find_run("last").resolve() == first
    remember(elsewhere)
    assert find_run("last") == elsewhere
    make_run(tmp_path / "runs" / "3", 3000)
    assert find_run("last") == Path("runs/3")
    assert find_run("runs/1") == Path("runs/1")
    assert isolab("report", "last") == Exit.PASSED


def test_a_folder_called_last_is_that_folder(tmp_path: Path) -> None:
    make_run(tmp_path / "runs" / "1", 1000)
    make_run(tmp_path / "last", 500)
    assert find_run("last") == Path("last")


def test_machines_without_a_lab_are_named_for_what_they_are() -> None:
    lab = lab_of_machines(["s390x", "process"]).lab
    assert {name: machine.driver for name, machine in lab.machines.items()} == {
        "s390x": "qemu",
        "process": "process",
    }
    assert lab.machines["s390x"].arch == "s390x"
    assert lab_of_machines(["vm"]).path == lab_of_machines(["s390x"]).path


@pytest.mark.parametrize(
    "words", [("up",), ("up", "separation", "--machine", "vm"), ("up", "--machine", "vmm")]
)
def test_up_takes_a_lab_or_machines(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab(*words) == Exit.BAD_INPUT
    assert "--machine" in capsys.readouterr().err


def test_what_there_is_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for what in ("labs", "exercises", "images"):
        assert isolab("list", what, "--format", "json") == Exit.PASSED
        found[what] = {row["name"]: row for row in json.loads(capsys.readouterr().out)[what]}
    assert found["labs"].keys() == builtin_labs().keys()
    assert found["exercises"]["ipc/pipe"]["title"] == "Hello, Pipe!"
    assert {"micro", "debian"} <= found["images"].keys()
    assert all(row["title"] for rows in found.values() for row in rows.values())
    assert isolab("list") == Exit.PASSED
    assert capsys.readouterr().out.startswith("NAME")


def test_labs_in_the_current_folder_are_listed_even_if_they_are_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    isolab("new", "mine")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "lab.yaml").write_text("a: [")
    (tmp_path / "ran").mkdir()
    (tmp_path / "ran" / "lab.yaml").write_text("lab: mine\n")
    (tmp_path / "ran" / "records.jsonl").touch()
    capsys.readouterr()
    assert isolab("list", "labs") == Exit.PASSED
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert {"mine", "bad", "separation"} <= listed
    assert "ran" not in listed  # a run, which keeps a copy of its lab


def test_a_new_lab_is_valid_and_names_schemas_that_are_there(tmp_path: Path) -> None:
    assert isolab("new", "My Lab 1") == Exit.PASSED
    folder = tmp_path / "My Lab 1"
    lab = load_lab(folder, EXERCISES)
    assert lab.lab.lab == "my-lab-1"
    assert [exercise.name for exercise in lab.exercises] == ["./hello"]
    for file in (folder / "lab.yaml", folder / "hello" / "exercise.yaml"):
        first = file.read_text().splitlines()[0]
        schema = file.parent / first.partition("$schema=")[2]
        assert first.startswith("# yaml-language-server:")
        assert json.loads(schema.read_text())["type"] == "object"
    assert (folder / "hello" / "README.md").exists()
    assert isolab("validate", "My Lab 1") == Exit.PASSED


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("a", "a"),
        ("Week 3", "week-3"),
        ("3", "lab-3"),
        ("é", "lab"),
        ("x" * 60, "x" * 40),
        ("caf\udce9", "caf"),
        ("1" * 60, "lab-" + "1" * 36),
    ],
)
def test_a_lab_is_named_after_its_folder(folder: str, name: str) -> None:
    assert spec_name(Path(folder), "lab") == name


def test_a_new_lab_replaces_nothing(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("full", "full/x", "link"):
        assert isolab("new", name) == Exit.BAD_INPUT
    (tmp_path / "empty").mkdir()
    assert isolab("new", "empty") == Exit.PASSED


@pytest.mark.parametrize("system", ["darwin", "win32", "freebsd14"])
def test_other_systems_are_told_what_works_there(
    system: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for words in (("run", "separation"), ("doctor",), ("try", "x.c"), ("plan", "separation"), ("ssh", "vm")):
        assert isolab(*words) == Exit.INFRASTRUCTURE
        said = capsys.readouterr().err
        assert f"needs Linux, and this is {system}" in said
        assert "virtual machine" in said
    for words in (("list",), ("validate", "separation"), ("help",), ("schema",)):
        assert isolab(*words) == Exit.PASSED


@pytest.mark.parametrize("machine", ["loongarch64", "ppc64", ""])
def test_hosts_of_unknown_architectures_are_told_what_works_there(
    machine: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    make_run(Path("r"), 1)
    works = {
        "copy": ("copy", "separation", "copied"),
        "list": ("list",),
        "new": ("new", "fresh"),
        "report": ("report", "r"),
        "schema": ("schema",),
        "validate": ("validate", "separation"),
    }
    assert works.keys() == PORTABLE
    for words in works.values():
        assert isolab(*words) == Exit.PASSED
    required = {"doctor": (), "plan": ("separation",), "run": ("separation",), "try": ("x.c",)}
    for verb, words in required.items():
        assert isolab(verb, *words) == Exit.INFRASTRUCTURE
        assert f"architecture '{machine}'" in capsys.readouterr().err
