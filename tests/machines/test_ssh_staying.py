"""Machines that exist already and stay up: shells, files, a fresh start, also behind a jump host."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import Answer, environment, isolab
from habitat import Home, fresh_home
from remote import ACCOUNT, ACCOUNT_ID, Server, sshd
from sshd_files import make_key

pytestmark = pytest.mark.real


@dataclass(frozen=True)
class Site:
    """A session with an ordinary login (``board``, behind a jump host) and root's (``rack``)."""

    home: Home
    jump_log: Path

    def isolab(self, *words: str | Path) -> Answer:
        return isolab(self.home, *words, env=environment(self.home, HOME=str(self.home.root)))


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with fresh_home() as home, sshd() as server, sshd(more="LogLevel DEBUG1") as gate:
        key = make_key(home.root / "lab key")
        for one in (server, gate):
            shutil.copy(f"{key}.pub", one.folder / "authorized_keys")
        (home.root / ".ssh").mkdir()
        (home.root / ".ssh" / "known_hosts").write_text(gate.known_hosts())
        place = Site(home, gate.folder / "log")
        lab = _lab(home, server, gate, key)
        answer = place.isolab("up", lab)
        assert answer.code == 0, answer.stderr
        yield place
        assert place.isolab("down", "--all").code == 0


def _lab(home: Home, server: Server, gate: Server, key: Path) -> Path:
    own = {"driver": "ssh", "address": server.address, "key": str(key), "host_key": server.host_key()}
    board = {**own, "user": ACCOUNT, "jump": f"{ACCOUNT}@{gate.address}", "boundary": "process"}
    machines = {"board": board, "rack": {**own, "user": "root", "boundary": "process"}}
    folder = home.root / "lab"
    folder.mkdir()
    text = {"lab": "there", "machines": machines, "exercises": ["ipc/pipe", "capabilities/drop"]}
    (folder / "lab.yaml").write_text(json.dumps(text))
    return folder


@pytest.fixture(params=["board", "rack"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_commands_end_as_on_other_machines(site: Site, machine: str) -> None:
    assert site.isolab("ssh", machine, "echo in; exit 7").code == 7
    killed = site.isolab("ssh", machine, "kill -9 $$")
    assert (killed.code, killed.stderr) == (137, "isolab: killed by SIGKILL\n")
    long = site.isolab("ssh", machine, "--", "printf", "%s\n", *["y" * 100] * 2000)
    assert (long.code, long.stdout) == (0, f"{'y' * 100}\n" * 2000)


def test_the_student_is_the_account_and_never_root(site: Site) -> None:
    assert site.isolab("ssh", "board", "id -u").stdout.strip() == str(ACCOUNT_ID)
    assert site.isolab("ssh", "rack", "id -u; echo $HOME").stdout.split()[0] == "60600"
    refused = site.isolab("ssh", "--user", "root", "rack", "id")
    assert (refused.code, refused.stdout) == (2, "")


def test_files_there_and_back(site: Site, machine: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    assert site.isolab("push", machine, tmp_path / "file", "put here").code == 0
    assert site.isolab("pull", machine, "put here", tmp_path / "back").code == 0
    assert (tmp_path / "back/put here/file").read_text() == "content"
    assert site.isolab("pull", machine, "put here/none", tmp_path / "back").code == 2
    forbidden = site.isolab("push", machine, tmp_path / "file", "/etc")
    assert forbidden.code == 2
    assert "cannot write to /etc on the machine" in forbidden.stderr


def test_the_way_leads_through_the_jump_host_with_the_labs_key(site: Site) -> None:
    before = site.jump_log.read_text().count("Accepted publickey")
    assert site.isolab("ssh", "board", "true").code == 0
    assert site.jump_log.read_text().count("Accepted publickey") == before + 1


def test_a_fresh_start_loses_what_was_there(site: Site, machine: str) -> None:
    site.isolab("ssh", "rack", "touch trace")
    answer = site.isolab("reset", machine)
    assert answer.code == 0, answer.stderr
    assert site.isolab("ssh", machine, "exit 3").code == 3
    if machine == "rack":
        assert site.isolab("ssh", "rack", "ls trace").code != 0


def test_there_is_no_console_and_that_is_said(site: Site, machine: str) -> None:
    answer = site.isolab("console", machine)
    assert answer.code == 2
    assert "has no console" in answer.stderr


def test_an_exercise_for_root_is_skipped_with_the_login(site: Site) -> None:
    answer = site.isolab("run", site.home.root / "lab", "--out", site.home.root / "run", "--format", "json")
    records = [json.loads(line) for line in (site.home.root / "run/records.jsonl").read_text().splitlines()]
    reasons = {r["machine"]: r["reason"] for r in records if r["status"] == "skip"}
    assert reasons == {
        "board": f"needs root, but isolab logs in there as '{ACCOUNT}', who is not root",
        "rack": "needs root, whom isolab gives programs there only with `disposable: true`",
    }, answer.stderr
