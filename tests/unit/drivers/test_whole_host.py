"""In a chroot, commands sent into a container would run outside of it: that is told instead."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline
from orchestrator.drivers.container import driver, whole_host
from orchestrator.errors import Unavailable
from orchestrator.host import process
from orchestrator.labfile.models import Machine
from orchestrator.paths import ROOT

needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounting takes root")

_FOLDER_LIKE_THE_HOST = """\
mount -t tmpfs none "$1"
for name in /*; do
    if [ -L "$name" ]; then cp -P "$name" "$1/"; continue; fi
    if [ -d "$name" ]; then mkdir "$1$name"; mount --rbind "$name" "$1$name"; fi
done
cd "$1"
"""
_ASK = "from orchestrator.drivers.container.whole_host import in_chroot; print(in_chroot())"


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    whole_host.in_chroot.cache_clear()
    yield
    whole_host.in_chroot.cache_clear()


def answer(enter: str, folder: Path) -> str:
    """What is found out in a folder with this host's folders, entered by these words of a shell."""
    ask = shlex.join([sys.executable, "-c", _ASK])
    script = f"{_FOLDER_LIKE_THE_HOST}{enter} sh -ec {shlex.quote(f'cd {ROOT}; exec {ask}')}"
    argv: list[str | Path] = ["unshare", "--mount", "--propagation", "private"]
    argv += ["sh", "-ec", script, "sh", folder]
    return process.run(argv, deadline=Deadline.after(60)).stdout.decode().strip()


@needs_root
def test_a_chroot_is_told_from_a_root_folder_of_its_own(tmp_path: Path) -> None:
    if whole_host.in_chroot():
        pytest.skip("this host is a chroot itself")
    assert answer("exec chroot .", tmp_path) == "True"
    assert answer("pivot_root . .; umount -l .; exec", tmp_path) == "False"


@pytest.mark.parametrize("words", ["exit 1", "echo nonsense >&2; exit 127", None])
def test_a_host_that_cannot_tell_is_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str | None
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if words is not None:
        (tmp_path / "nsenter").write_text(f"#!/bin/sh\n{words}\n")
        (tmp_path / "nsenter").chmod(0o755)
    assert not whole_host.in_chroot()


@pytest.mark.parametrize(("uid", "refused"), [(0, True), (1000, False)])
def test_root_gets_no_container_in_a_chroot(monkeypatch: pytest.MonkeyPatch, uid: int, refused: bool) -> None:
    monkeypatch.setattr(os, "getuid", lambda: uid)
    monkeypatch.setattr(whole_host, "in_chroot", lambda: True)
    monkeypatch.setattr(driver, "engine_command", lambda _: ("podman",))
    monkeypatch.setattr(driver, "require_user_ids", lambda: None)
    box = Machine(driver="container")
    if not refused:
        driver.DRIVER.check(box, host_arch())
        return
    with pytest.raises(Unavailable, match="this system is a chroot") as caught:
        driver.DRIVER.check(box, host_arch())
    assert "pivot_root" in caught.value.hint
