"""Command lines that lead into machines: pure, and exact about whom they trust."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from factories import RUN, SITE, handle

from orchestrator import drivers
from orchestrator.cli.copy_files import split
from orchestrator.deadline import Deadline
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Reachable, Terminal
from orchestrator.drivers.container.driver import render_exec
from orchestrator.drivers.guest.identity import make_keys
from orchestrator.drivers.host_process import render_entry, render_site
from orchestrator.host import process
from orchestrator.sessions import openssh
from orchestrator.sessions.exec_command import render_script, standing_by
from orchestrator.transport.ssh import Address

ADDRESS = Address("127.0.0.1", 2222, "root", Path("/scratch/my key%h"), make_keys().host_public)


@pytest.mark.parametrize("name", TRAITS)
def test_every_driver_lets_people_in(name: str) -> None:
    assert isinstance(drivers.load(name), Reachable | Terminal)


def test_options_name_one_key_one_host_key_and_no_other_file() -> None:
    about = openssh.options(handle(), ADDRESS, "student")
    assert about["IdentityFile"] == '"/scratch/my key%%h"'
    assert about["UserKnownHostsFile"] == f'"/scratch/{RUN}/vm/known_hosts"'
    assert about["HostKeyAlias"] == f"isolab-{RUN}-vm"
    strict = ("StrictHostKeyChecking", "IdentitiesOnly", "GlobalKnownHostsFile", "IdentityAgent")
    assert [about[key] for key in strict] == ["yes", "yes", "/dev/null", "none"]
    assert (about["ForwardAgent"], about["ForwardX11"]) == ("no", "no")
    assert "ProxyJump" not in about


def test_the_clients_command_line() -> None:
    about = {"HostName": "127.0.0.1", "Port": "2222"}
    assert openssh.render_argv(about, ["ls", "a b"], False) == [
        "ssh", "-F", "none", "-o", "HostName=127.0.0.1", "-o", "Port=2222", "-o", "LogLevel=ERROR",
        "--", "127.0.0.1", "ls 'a b'",
    ]  # fmt: skip
    assert openssh.render_argv(about, [], True)[-3:] == ["-t", "--", "127.0.0.1"]


def test_a_machine_behind_another_host() -> None:
    far = handle(data={"jump": "me@lab1:22"})
    about = openssh.options(far, ADDRESS, "student")
    assert about["ProxyJump"] == "me@lab1:22"
    assert openssh.render_argv(about, [], True)[:2] == ["ssh", "-o"]  # the user's settings know lab1
    assert "    ProxyJump me@lab1:22\n" in openssh.render_entry("isolab-one-vm", about)


def test_a_machine_that_existed_already_is_entered_as_the_lab_says() -> None:
    theirs = replace(ADDRESS, user="pi", foreign=True, client_key=None, jump=replace(ADDRESS, user="me"))
    about = openssh.options(handle(), theirs, "student")
    assert about["User"] == "pi"
    assert about["ProxyCommand"].endswith(f"-W {ADDRESS.host}:{ADDRESS.port} -- {ADDRESS.host}")
    assert "User=me" in about["ProxyCommand"]
    assert "IdentityFile" not in about  # the user's own keys and agent open it


def test_a_jump_host_is_entered_with_the_labs_key_and_must_show_the_known_one(tmp_path: Path) -> None:
    """ProxyJump takes neither from us."""
    gate = Address("::1", 22, "me", Path("/keys/100%"), make_keys().host_public, foreign=True)
    board = replace(ADDRESS, host="fe80::1", user="pi", foreign=True, jump=gate)
    about = openssh.options(handle(scratch=str(tmp_path)), board, "student")
    words = shlex.split(about["ProxyCommand"].replace("%%", "%"))
    assert words[:3] == ["ssh", "-F", "none"]
    options = dict(word.split("=", 1) for word in words if "=" in word)
    assert options["IdentityFile"] == '"/keys/100%%"'
    assert (options["HostKeyAlias"], options["StrictHostKeyChecking"]) == (f"isolab-{RUN}-vm.jump", "yes")
    assert words[-4:] == ["-W", f"[fe80::1]:{ADDRESS.port}", "--", "::1"]
    openssh.write_known_hosts(handle(scratch=str(tmp_path)), board)
    aliases = [line.split()[0] for line in (tmp_path / "known_hosts").read_text().splitlines()]
    assert aliases == [f"isolab-{RUN}-vm", f"isolab-{RUN}-vm.jump"]


def test_a_command_runs_behind_the_runner_that_tells_signals() -> None:
    runner = SITE.runner[0]
    assert standing_by(SITE, "student", ["/bin/ls", "-l"]) == [runner, "--stand-by", "--", "/bin/ls", "-l"]
    assert standing_by(SITE, "student", []) == []  # a login shell is the server's business


def test_where_root_logs_in_for_everybody_the_runner_becomes_the_user() -> None:
    words = standing_by(SITE, "student", [], change_user=True)
    assert words[:6] == [SITE.runner[0], "--stand-by", "--user", "1000:1000", "--dir", "/home/student"]
    assert words[-3:] == ["--", "/bin/sh", "-l"]
    assert "--user" not in standing_by(SITE, "root", ["/bin/id"], change_user=True)


@pytest.mark.parametrize(
    ("argv", "shown"),
    [
        (["/bin/sh", "-c", "echo $((1 + 1)); exit 3"], b"2\n"),
        (["/bin/echo", "a b", os.fsdecode(b"caf\xe9"), "'"], b"a b caf\xe9 '\n"),
        (["/bin/sh", "-c", 'exec "$@"', "sh", "/bin/echo", *["y" * 1000] * 300], b"y" * 1000),
    ],
)
def test_a_command_too_long_for_a_server_is_a_script_that_removes_itself(
    tmp_path: Path, argv: list[str], shown: bytes
) -> None:
    script = tmp_path / "script"
    script.write_bytes(render_script(argv))
    done = process.run(["/bin/sh", script], deadline=Deadline.after(60), check=False)
    assert done.stdout.startswith(shown)
    assert done.code == (3 if "exit 3" in argv[2] else 0)
    assert not script.exists()


def test_the_host_key_stands_under_a_name_used_once(tmp_path: Path) -> None:
    about = handle(scratch=str(tmp_path))
    openssh.write_known_hosts(about, ADDRESS)
    alias, kind, key = (tmp_path / "known_hosts").read_text().split()
    assert (alias, kind) == (f"isolab-{RUN}-vm", "ssh-ed25519")
    assert key.startswith("AAAAC3NzaC1lZDI1NTE5")


def test_into_a_container() -> None:
    inside = handle("crate", driver="container", site=SITE)
    tag = f"isolab-{RUN}-crate"
    assert render_exec(("podman",), inside, "student", ["/bin/sh"], False) == [
        "podman", "exec", "--interactive", "--user", "1000:1000", "--workdir", "/home/student",
        "--env", "HOME=/home/student", "--env", "USER=student", tag, "/bin/sh",
    ]  # fmt: skip
    assert "--tty" in render_exec(("podman",), inside, "root", ["/bin/sh"], True)


def test_onto_this_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "vt100")
    site = render_site(Path("/s/run/bare"), True, ("--sandbox",))
    assert render_entry(site, "student", ["/bin/sh", "-l"]) == [
        "/s/run/bare/bin/run", "--sandbox", "--inherit", "--dir", "/s/run/bare/home/student",
        "--user", "60600:60600", "--env", "PATH=/usr/local/bin:/usr/bin:/bin",
        "--env", "HOME=/s/run/bare/home/student", "--env", "USER=student", "--env", "TERM=vt100",
        "--", "/bin/sh", "-l",
    ]  # fmt: skip
    assert "--user" not in render_entry(replace(site, switch=False), "student", ["/bin/sh"])


@pytest.mark.parametrize(
    ("words", "copied", "folder"),
    [(["a"], ("a",), "."), (["a", "b"], ("a",), "b"), (["a", "b", "c"], ("a", "b"), "c")],
)
def test_of_several_words_the_last_is_the_folder(
    words: list[str], copied: tuple[str, ...], folder: str
) -> None:
    assert split(words, ".") == (copied, folder)
