"""A host that lacks something, images that are damaged: said plainly, and nobody else is harmed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import HOST, image_of
from command import environment, isolab, records, run_lab, statuses
from consoles import keep_consoles
from habitat import Home, fresh_home, hard_linked
from places import LABS

from orchestrator.arch import host_arch
from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.images.tree import Tree

pytestmark = pytest.mark.real

NOBODY = 65534


@pytest.fixture
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        yield home


@dataclass(frozen=True)
class PrivateCache:
    """A cache whose images may be broken without harm to anybody."""

    folder: Path

    def image(self, arch: str) -> Path:
        """The folder of the micro image of an architecture."""
        return self.folder / "images" / image_of(arch).key

    def replace(self, arch: str, name: str, data: bytes) -> None:
        """Give a file new content; the old one is shared with the user's cache and stays."""
        path = self.image(arch) / name
        path.unlink()
        path.write_bytes(data)

    def overlay(self, arch: str, path: str, data: bytes) -> None:
        """Lay another file over one in the initrd: of several archives the last one counts."""
        tree = Tree()
        tree.file(path, data, 0o755)
        extra = self.folder / "extra.cpio"
        tree.write_cpio(extra)
        whole = (self.image(arch) / "initrd").read_bytes()
        self.replace(arch, "initrd", whole + bytes(-len(whole) % 512) + extra.read_bytes())


@pytest.fixture
def cache(home: Home) -> PrivateCache:
    return PrivateCache(hard_linked(("images", "toolchain", "programs"), home.root / "cache"))


def _with_cache(home: Home, cache: PrivateCache) -> dict[str, str]:
    return environment(home, ISOLAB_CACHE=str(cache.folder))


class TestDamagedImages:
    @pytest.mark.rotated
    def test_a_damaged_kernel(self, home: Home, cache: PrivateCache) -> None:
        kernel = bytearray((cache.image(HOST) / "kernel").read_bytes())
        middle = slice(len(kernel) // 2, len(kernel) // 2 + 4096)
        kernel[middle] = bytes(byte ^ 0xFF for byte in kernel[middle])
        cache.replace(HOST, "kernel", bytes(kernel))
        env = _with_cache(home, cache)

        verified = isolab(home, "images", "verify", env=env)
        assert verified.code == 3
        assert f"micro/{HOST}: damaged: kernel" in verified.stdout
        assert "isolab images prune" in verified.stderr

        ran = run_lab(home, "small", env=env)
        assert ran.code == 3
        assert statuses(home) == {("bare", "./fine"): "pass", ("guest", "./fine"): "error"}
        assert "guest: " in ran.stderr
        assert f"see its console log {home.out / 'guest'}" in ran.stderr or "panicked" in ran.stderr

    @pytest.mark.rotated
    def test_guests_that_do_not_come_up(self, home: Home, cache: PrivateCache) -> None:
        cache.overlay("arm64", "init", b"#!/bin/false\n")
        cache.overlay("s390x", "init", b"#!/bin/sh\nexec sleep 1000\n")
        cache.overlay("mipsel", "usr/sbin/dropbear", b"not a program")
        cache.overlay("amd64", "usr/lib/isolab/run", b"not a program")
        answer = run_lab(home, "broken-guests", env=_with_cache(home, cache))
        assert answer.code == 3
        reasons = {r["machine"]: r["reason"] for r in records(home)}
        assert "the guest's kernel panicked" in reasons["panics"]
        assert "Attempted to kill init" in reasons["panics"]
        assert reasons["silent"].startswith("silent: not up after 20 s")
        assert f"see its console log {home.out / 'silent'}" in answer.stderr
        assert "the guest's init reported: failed the SSH server does not start" in reasons["no-sshd"]
        assert "the runner ended before it reported: /usr/lib/isolab/run: " in reasons["no-runner"]
        found = statuses(home)
        assert found.pop(("bare", "./fine")) == "pass"
        assert set(found.values()) == {"error"}
        for machine in ("panics", "silent", "no-sshd", "no-runner"):
            assert f"{machine}: " in answer.stderr
            logs = list((home.out / machine).rglob("console.log"))
            assert logs
            assert machine == "silent" or any(log.stat().st_size for log in logs)


class TestMissingPrograms:
    @pytest.mark.rotated
    def test_an_emulator_that_may_not_be_installed(self, home: Home, cache: PrivateCache) -> None:
        _own_copy(cache, home)
        env = {**_with_cache(home, cache), "HOME": str(home.root), "PATH": str(_path_without_qemu(home))}
        as_nobody = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        answer = isolab(home, "run", *_small(home), env=env, prefix=as_nobody)
        assert answer.code == 3, answer.stderr
        package = host_arch().qemu_packages[0]
        assert f"run: sudo apt-get install -y --no-install-recommends {package}" in answer.stderr
        assert host_arch().qemu in answer.stderr

    def test_an_emulator_whose_package_cannot_be_installed(self, home: Home) -> None:
        if os.getuid() != 0:
            pytest.skip("only root installs packages")
        programs = _path_without_qemu(home)
        broken = programs / "apt-get"
        broken.unlink()
        broken.write_text("#!/bin/sh\necho 'E: Unable to fetch some archives' >&2\nexit 100\n")
        broken.chmod(0o755)
        answer = run_lab(home, "small", env=environment(home, PATH=str(programs)))
        assert answer.code == 3, answer.stderr
        assert "Unable to fetch some archives" in answer.stderr
        assert host_arch().qemu_packages[0] in answer.stderr
        assert statuses(home)["guest", "./fine"] == "error"


def _small(home: Home) -> list[str]:
    """The lab ``small`` where everybody may read it, and where its results go."""
    shutil.copytree(LABS / "small", home.root / "small")
    return [str(home.root / "small"), "--out", str(home.out)]


def _own_copy(cache: PrivateCache, home: Home) -> None:
    """Make the home and what a run of one host machine needs of the cache nobody's own."""
    image = cache.image(HOST)
    for kind in ("images", "toolchain", "programs"):
        if kind != "images":
            shutil.rmtree(cache.folder / kind)
    for other in (cache.folder / "images").iterdir():
        if other != image:
            shutil.rmtree(other)
    for file in list(image.iterdir()):
        cache.replace(HOST, file.name, file.read_bytes())
    (home.root / "state").mkdir()
    for path in [home.root, *home.root.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)


def _path_without_qemu(home: Home) -> Path:
    """A folder with all programs of this host but the emulators and sudo."""
    folder = home.root / "programs"
    folder.mkdir()
    for place in ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"):
        for program in Path(place).iterdir():
            unwanted = program.name.startswith("qemu-") or program.name == "sudo"
            if not unwanted and not (folder / program.name).is_symlink():
                (folder / program.name).symlink_to(program)
    return folder


def test_a_full_disk(home: Home) -> None:
    home.out.mkdir()
    mounted = process.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", home.out], deadline=Deadline.after(60), check=False
    )
    if mounted.code != 0:
        pytest.skip(f"cannot mount a small disk: {mounted.tail()}")
    try:
        answer = run_lab(home, "box")
        assert answer.code == 3
        assert f"not enough disk space for {home.out}: " in answer.stderr
        assert "--out" in answer.stderr
        assert list(home.out.iterdir()) == []
    finally:
        process.run(["umount", home.out], deadline=Deadline.after(60))
