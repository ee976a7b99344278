"""The gateway of an ordinary user, whom the suite creates: in a user namespace, and without one."""

from __future__ import annotations

import os
import pwd
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from accounts import account, processes
from habitat import Home, fresh_home, wait_until
from ports import free_port
from sshd_files import make_key

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.host.process import Finished
from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

PYTHONS = (sys.executable, "/usr/bin/python3")
"""The second for when ours lies in root's home; it must be of the same version."""
PROGRAM = """\
import dataclasses, sys
from pathlib import Path
from orchestrator.classes import gateway
from orchestrator.classes.gateway import sandbox
from orchestrator.classes.gateway.added_keys import AddedKeys
from orchestrator.classes.load import load_class

folder, apart, what = Path(sys.argv[1]), sys.argv[2] == "apart", sys.argv[3]
found, here = load_class(folder), sandbox.choose()
sandbox.choose = lambda: dataclasses.replace(here, apart=apart and here.apart)
if what == "start":
    AddedKeys(found).add("ada", (folder / "key.pub").read_text())
    print(gateway.start(found))
else:
    gateway.stop(found)
print(here.apart, gateway.alive(found))
"""


@dataclass(frozen=True)
class Lecturer:
    """An account with a class of its own, and the key of a student of it."""

    account: pwd.struct_passwd
    home: Home
    port: int
    python: str

    def does(self, apart: str, what: str) -> list[str]:
        """The lines that this action on the gateway prints."""
        about = self.account
        become = ["setpriv", f"--reuid={about.pw_uid}", f"--regid={about.pw_gid}", "--clear-groups"]
        env = {
            **self.home.variables,
            "PATH": os.environ["PATH"],
            "HOME": str(self.home.root),
            "ISOLAB_CACHE": str(self.home.root / "cache"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}",
        }
        argv = [*become, self.python, "-c", PROGRAM, str(self.home.root / "class"), apart, what]
        done = process.run(argv, deadline=Deadline.after(120), env=env, cwd=self.home.root)
        return done.stdout.decode().splitlines()

    def ssh(self, login: str, *more: str) -> Finished:
        argv = ["ssh", "-F", "none", "-i", f"{self.home.root}/key", "-p", str(self.port)]
        argv += ["-o", "LogLevel=ERROR", "-o", "StrictHostKeyChecking=no"]
        argv += ["-o", f"UserKnownHostsFile={self.home.root}/known", *more]
        return process.run([*argv, f"{login}@127.0.0.1"], deadline=Deadline.after(60), check=False)

    def processes(self) -> list[int]:
        return processes(self.account)


@pytest.fixture(scope="module")
def lecturer() -> Iterator[Lecturer]:
    if os.getuid() != 0:
        pytest.skip("needs root, to create an ordinary user")
    with account("--no-create-home", "--home-dir", "/", "--shell", "/bin/sh") as user, fresh_home() as home:
        place = Lecturer(user, home, free_port(), _python(user))
        _furnish(place)
        yield place


def _python(account: pwd.struct_passwd) -> str:
    become = ["setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    version = "import sys; print(sys.version_info[:2])"
    for python in PYTHONS:
        argv = [*become, python, "-c", version]
        done = process.run(argv, deadline=Deadline.after(60), check=False, cwd=Path("/"))
        if done.stdout.decode().strip() == str(sys.version_info[:2]):
            return python
    pytest.skip("an ordinary user has no Python of our version here")


def _furnish(place: Lecturer) -> None:
    root = place.home.root
    folder = root / "class"
    folder.mkdir()
    machines = "machines:\n  desk: {driver: qemu}\n"
    listen = f'access: {{listen: "127.0.0.1:{place.port}"}}\n'
    (folder / "class.yaml").write_text(f"class: small\n{machines}{listen}")
    (folder / "roster.csv").write_text("id\nada\n")
    public = make_key(root / "key").with_suffix(".pub")
    (folder / "key.pub").write_text(public.read_text())
    for path in [root, root / "s", *folder.rglob("*"), folder]:
        os.chown(path, place.account.pw_uid, place.account.pw_gid)


def test_in_a_user_namespace_it_is_as_roots(lecturer: Lecturer) -> None:
    words, state = lecturer.does("apart", "start")
    try:
        if state != "True True":
            pytest.skip("this host has no user namespaces for ordinary users")
        assert words == ""
        for login in ("lab", "desk"):
            done = lecturer.ssh(login, "-tt")
            assert (done.code, done.stdout) == (
                69,
                f"isolab: {login} is not up: it may be coming up or being reset: try again in a minute; "
                "if it stays so, tell your lecturer\r\n".encode(),
            )
        assert "Permission denied" in lecturer.ssh(lecturer.account.pw_name).stderr.decode()
    finally:
        lecturer.does("apart", "stop")
    wait_until(lambda: not lecturer.processes(), "all that the gateway started to end")


def test_without_one_the_login_name_is_the_users_own(lecturer: Lecturer) -> None:
    words, state = lecturer.does("beside", "start")
    name = lecturer.account.pw_name
    try:
        assert words.startswith(f"this host does not allow user namespaces: students log in as {name}, not")
        assert state.endswith(" True")
        done = lecturer.ssh(name)
        assert (done.code, done.stderr[:25]) == (69, b"isolab: lab is not up: it")
        assert "Permission denied" in lecturer.ssh("lab").stderr.decode()
        argv = ["ssh", "-F", "none", "-i", f"{lecturer.home.root}/key", "-p", str(lecturer.port), "-Nv"]
        argv += ["-o", f"UserKnownHostsFile={lecturer.home.root}/known", f"{name}@127.0.0.1"]
        log = lecturer.home.root / "log"
        with process.plugged(argv, log):
            wait_until(lambda: b"Authenticated to" in log.read_bytes(), "a student to come")
            lecturer.does("beside", "stop")
            wait_until(lambda: not lecturer.processes(), "her connection to end")
    finally:
        lecturer.does("beside", "stop")
