"""What keeps machines from running is told beforehand, the same by plan and by doctor."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cli import doctor, main, readiness
from orchestrator.drivers.sandbox.driver import DRIVER as SANDBOX
from orchestrator.errors import Exit, Unavailable
from orchestrator.host.packages import Need
from orchestrator.machines import host_packages

LINE = "sudo apt-get install -y --no-install-recommends uidmap"


@pytest.fixture(autouse=True)
def lacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host where nothing is missing but what rootless containers need, and nothing may be installed."""
    for name in ("CACHE", "STATE"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    # pytest's folders keep the user out as whom processes run.
    scratch = Path(tempfile.mkdtemp())
    scratch.chmod(0o711)
    monkeypatch.setenv("ISOLAB_SCRATCH", str(scratch))

    def missing(needs: Sequence[Need]) -> list[Need]:
        podman = any(need.what == "podman" for need in needs)
        return [Need("newuidmap", lambda: False, ("uidmap",))] if podman else []

    def needs_of(machines: Sequence[Any]) -> list[Need]:
        wanted = ["podman", "newuidmap"] if machines[0].driver == "container" else ["gpgv"]
        return [Need(name, lambda: True, (name,)) for name in wanted]

    monkeypatch.setattr(host_packages, "missing", missing)
    monkeypatch.setattr(host_packages, "needs_of", needs_of)
    monkeypatch.setattr(host_packages, "may_install", lambda _: False)
    monkeypatch.setattr(host_packages, "line_to_type", lambda *_: LINE)
    monkeypatch.setattr(doctor, "_accelerator", lambda: doctor.Finding("KVM", False, "not asked"))
    # Whether an image is ready depends on the mirror's index, which a quick test does not fetch.
    monkeypatch.setattr(doctor, "_architectures", lambda: [])
    # Only the container's own answer counts here.
    monkeypatch.setattr("orchestrator.drivers.container.driver.Container.check", lambda *_: None)
    yield
    shutil.rmtree(scratch)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main.run(["isolab", *words]) == Exit.PASSED
    return capsys.readouterr().out


def test_a_plan_names_what_is_missing_for_which_machines(capsys: pytest.CaptureFixture[str]) -> None:
    plan = said(capsys, "plan", "separation", "--only", "process,container")
    assert "fits, but not every machine can run" in plan
    assert plan.splitlines()[-2:] == ["this host lacks newuidmap, needed by container", f"to install: {LINE}"]


def test_machines_that_lack_nothing_fit(capsys: pytest.CaptureFixture[str]) -> None:
    plan = said(capsys, "plan", "separation", "--only", "process")
    assert "\nfits: " in plan
    assert "lacks" not in plan


def test_what_may_be_installed_is_said_to_be(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_packages, "may_install", lambda _: True)
    plan = said(capsys, "plan", "separation", "--only", "container")
    assert "\nfits: " in plan
    assert "`isolab run` installs it by itself" in plan


def test_doctor_agrees_with_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    answer = said(capsys, "doctor")
    assert "no     driver container   this host lacks newuidmap" in answer
    assert f"to install: {LINE}" in answer
    about = json.loads(said(capsys, "doctor", "--format", "json"))
    planned = json.loads(said(capsys, "plan", "separation", "--format", "json"))
    assert (about["missing"], about["install"]) == (["newuidmap"], LINE)
    assert (planned["missing"], planned["install"]) == ({"container": ["newuidmap"]}, LINE)


def test_a_driver_that_cannot_is_an_obstacle_without_a_package(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("mounted noexec", hint="set it elsewhere")

    monkeypatch.setattr(SANDBOX, "check", refuse)
    plan = said(capsys, "plan", "separation", "--only", "process,sandbox")
    assert "fits, but not every machine can run" in plan
    assert plan.splitlines()[-1] == "sandbox: mounted noexec (set it elsewhere)"


def with_glibc(folder: Path, libc: str) -> str:
    """A lab of one exercise for two machines of one architecture and one of another."""
    (folder / "one").mkdir(exist_ok=True)
    (folder / "lab.yaml").write_text(
        "lab: libraries\nmachines: {a: {driver: qemu, arch: s390x}, b: {driver: qemu, arch: s390x}, "
        "c: {driver: qemu, arch: riscv64}}\nexercises: [./one]\n"
    )
    (folder / "one/p.c").write_text("")
    (folder / "one/exercise.yaml").write_text(
        f"title: one\nlibc: {libc}\nbuild: {{sources: [p.c]}}\nrun: ./p\n"
    )
    return str(folder)


def test_a_plan_says_which_glibc_is_to_be_downloaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "glibc to download for s390x, riscv64: about 11.0 MiB"
    lab = with_glibc(tmp_path, "glibc")
    assert words in said(capsys, "plan", lab).splitlines()
    assert words in json.loads(said(capsys, "plan", lab, "--format", "json"))["notes"]
    assert "downloaded on first use for amd64, " in said(capsys, "doctor")
    monkeypatch.setattr(readiness, "in_cache", lambda arch: tmp_path if arch.name == "s390x" else None)
    assert "glibc to download for riscv64: about 8.0 MiB" in said(capsys, "plan", lab)
    assert "glibc to download" not in said(capsys, "plan", with_glibc(tmp_path, "musl"))
