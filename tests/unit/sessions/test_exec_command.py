"""Command lines that lead into machines: pure, and exact about whom they trust."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from factories import RUN, SITE, handle

from orchestrator import drivers
from orchestrator.cli.copy_files import split
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Reachable, Terminal
from orchestrator.drivers.container.driver import render_exec
from orchestrator.drivers.guest.identity import make_keys
from orchestrator.drivers.host_process import render_entry, render_site
from orchestrator.sessions import openssh
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
    assert about["ProxyJump"] == f"me@{ADDRESS.host}:{ADDRESS.port}"
    assert "IdentityFile" not in about  # the user's own keys and agent open it


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
