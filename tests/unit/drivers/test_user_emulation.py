"""Programs of another architecture on the host's own kernel: what goes through the emulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import SITE, FakeTransport, answer, loaded, record, subject

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Cancellation
from orchestrator.drivers import host_process, load
from orchestrator.drivers.model import Handle
from orchestrator.errors import Unavailable
from orchestrator.exercises.execute import Workplace, run_exercise
from orchestrator.host.qemu_user import emulator_name, emulator_path
from orchestrator.labfile.models import Boundary, Machine
from orchestrator.run.adhoc import machines_for

FOREIGN = replace(
    SITE, emulator=("/usr/bin/qemu-s390x",), probe=("/usr/bin/qemu-s390x", "/b/foreign", "--facts")
)


def test_names_are_qemus() -> None:
    names = {name: emulator_name(arch) for name, arch in ARCHITECTURES.items()}
    assert names["arm64"] == "qemu-aarch64"
    assert names["ppc64el"] == "qemu-ppc64le"
    assert names["mips64el"] == "qemu-mips64el"
    assert names["amd64"] == "qemu-x86_64"


def test_the_static_build_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert emulator_path(ARCHITECTURES["s390x"]) is None
    for name in ("qemu-s390x-static", "qemu-s390x"):
        (tmp_path / name).write_text("")
        (tmp_path / name).chmod(0o755)
        assert emulator_path(ARCHITECTURES["s390x"]) == str(tmp_path / name)


def test_without_it_the_package_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unavailable, match="qemu-mipsel is not installed") as caught:
        load("process").check(Machine(driver="process", arch="mipsel"), ARCHITECTURES["mipsel"])
    assert "qemu-user" in caught.value.hint


def test_the_facts_come_from_the_foreign_runner_and_the_endings_from_our_own() -> None:
    site = host_process.render_site(Path("/s/run/a"), root=True, emulator="/usr/bin/qemu-arm")
    assert site.runner == ("/s/run/a/bin/run",)
    assert site.emulator == ("/usr/bin/qemu-arm",)
    assert site.probe == ("/usr/bin/qemu-arm", "/s/run/a/bin/foreign", "--facts")


def test_another_process_gets_to_know_the_emulator() -> None:
    one = Handle("process", "r", "m", "s390x", "user-emulation", "none", "/s", FOREIGN)
    assert Handle.from_json(one.to_json()) == one


@pytest.mark.parametrize(
    ("run", "emulated"), [("./pipe a", True), ("./script", False), ("./brought", True), ("cat pipe", False)]
)
def test_only_programs_of_its_architecture_are_emulated(tmp_path: Path, run: str, emulated: bool) -> None:
    (tmp_path / "script").write_text("#!/bin/sh\n")
    (tmp_path / "brought").write_bytes(b"\x7fELF rest")
    text = {"build": {"sources": ["pipe.c"]}, "files": ["script", "brought"], "run": run}
    transport = FakeTransport([answer(b"")])
    place = Workplace(transport, FOREIGN, subject(boundary=Boundary.USER_EMULATION), "tag", "canary")
    run_exercise(loaded(tmp_path, text), place, record(), Cancellation())
    (asked,) = transport.asked
    program = asked[asked.index("--") + 1 :]
    assert (program[0] == "/usr/bin/qemu-s390x") == emulated


def test_it_can_be_tried_by_name() -> None:
    (machine,) = machines_for("user-s390x").values()
    assert (machine.driver, machine.arch) == ("process", "s390x")
    assert not [name for name in machines_for("all") if name.startswith("user-")]
