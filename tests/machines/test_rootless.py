"""Rootless containers: everything once more as an ordinary user, whom the suite creates."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from accounts import account, processes
from bench import HOST, image_of
from command import ISOLAB
from habitat import Home, fresh_home, hard_linked
from places import LABS

from orchestrator.deadline import Deadline
from orchestrator.drivers.container.engine import command
from orchestrator.drivers.container.needs import UIDMAP, engine_needs
from orchestrator.host import process, process_table
from orchestrator.machines import host_packages
from orchestrator.paths import ROOT
from orchestrator.progress import SilentProgress

pytestmark = pytest.mark.real

LIBRARIES = sysconfig.get_path("purelib")
PYTHONS = (sys.executable, "/usr/bin/python3")
"""The second for when ours lies in root's home; it must be of the same version."""


@dataclass(frozen=True)
class Person:
    """An account with a home, a cache of images that are there already, and a way to act as it."""

    account: pwd.struct_passwd
    python: str = sys.executable

    @property
    def home(self) -> Path:
        return Path(self.account.pw_dir)

    @property
    def prefix(self) -> tuple[str, ...]:
        about = self.account
        return ("setpriv", f"--reuid={about.pw_uid}", f"--regid={about.pw_gid}", "--clear-groups")

    @property
    def environment(self) -> dict[str, str]:
        found = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG")}
        own = {"HOME": self.home, "TMPDIR": self.home, "XDG_RUNTIME_DIR": self.home / "run"}
        own |= {"ISOLAB_CACHE": self.home / "cache"}
        names = {
            "USER": self.account.pw_name,
            "LOGNAME": self.account.pw_name,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{ROOT}:{LIBRARIES}",
        }
        return {**found, **{name: str(path) for name, path in own.items()}, **names}

    def give(self, *paths: Path) -> None:
        for path in paths:
            os.chown(path, self.account.pw_uid, self.account.pw_gid)


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    if os.getuid() != 0:
        pytest.skip("needs root, to create an ordinary user")
    host_packages.ensure([*engine_needs("podman"), UIDMAP], SilentProgress(), Deadline.after(900))
    image_of(HOST)
    with account("--create-home", "--shell", "/bin/sh") as user, contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, user.pw_dir, ignore_errors=True)
        stack.callback(_end_all_of, user)
        found = Person(user)
        if f"{user.pw_name}:" not in Path("/etc/subuid").read_text():
            pytest.skip("useradd gives accounts no subordinate user ids here (subuid(5))")
        (found.home / "run").mkdir(mode=0o700)
        cache = hard_linked(("images", "toolchain", "programs"), found.home / "cache")
        found.give(found.home / "run", *(p for p in (cache, *cache.rglob("*")) if p.is_dir()))
        # Podman keeps one process per user that holds the namespaces of all its containers.
        hold = [*found.prefix, *command("podman"), "unshare", "true"]
        process.run(hold, deadline=Deadline.after(120), env=found.environment, cwd=found.home)
        yield replace(found, python=_python(found))


def _end_all_of(user: pwd.struct_passwd) -> None:
    for pid in processes(user):
        process_table.end(pid, patience=0)


_CAN_START_ITSELF = """
import subprocess, sys, orchestrator.cli.main, pytest
subprocess.run([sys.executable, "-c", "import orchestrator.cli.main"], check=True)
"""


def _python(person: Person) -> str:
    """A Python that can run this checkout as that user."""
    for python in PYTHONS:
        probe = [*person.prefix, python, "-c", _CAN_START_ITSELF]
        limit = Deadline.after(120)
        if process.run(probe, deadline=limit, env=person.environment, cwd=person.home, check=False).code == 0:
            return python
    pytest.skip(f"another user cannot read this checkout or its Python ({ROOT}, {', '.join(PYTHONS)})")


def test_the_drivers_contract(person: Person) -> None:
    """All of it, by a pytest of that user's; as such it tests nothing but rootless Podman."""
    suite = [person.python, "-m", "pytest", "-q", "-m", "real", "-p", "no:cacheprovider"]
    done = process.run(
        [*person.prefix, *suite, ROOT / "tests/machines/test_driver_contract.py"],
        deadline=Deadline.after(1500),
        env=person.environment,
        cwd=ROOT,
        check=False,
    )
    words = done.stdout.decode(errors="replace")
    assert done.code == 0, words[-6000:]
    assert " passed" in words
    assert "skipped" not in words


@pytest.fixture
def home(person: Person) -> Iterator[Home]:
    with fresh_home() as home:
        person.give(home.root, home.scratch)
        yield home


def test_limits_that_cannot_be_set_are_told(person: Person, home: Home) -> None:
    words = ("run", LABS / "box", "--only", "crate", "--exercise", "./quick", "--out", home.out)
    env = {**person.environment, **home.variables}
    argv: list[str | Path] = [*person.prefix, person.python, *ISOLAB[1:], *words]
    done = process.run(argv, deadline=Deadline.after(300), env=env, cwd=home.root, check=False)
    told = done.stderr.decode()
    assert done.code == 0, told
    limits = json.loads((home.out / "crate/limits.json").read_text())
    for name in limits["unlimited"]:
        assert f"crate: warning: the limit `{name}` is not enforced: " in told
    if limits["in_force"] is None:
        # Without cgroups of its own the container is in ours, and nothing limits it.
        assert set(limits["unlimited"]) == {"memory", "cpus", "pids"}
    else:
        free = {name for name, limit in limits["in_force"].items() if limit is None}
        assert free == set(limits["unlimited"])
