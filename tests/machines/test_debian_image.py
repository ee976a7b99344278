"""A whole Debian to work in: what people need is there, and no two clones are the same."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest
from bench import HOST, Bench, Kind, living_in, on_bench, order_for, template_for
from consoles import keep_consoles
from habitat import fresh_home

from orchestrator.drivers.model import Template
from orchestrator.exercises.checks import observations
from orchestrator.host import cache
from orchestrator.paths import EXERCISES
from orchestrator.transport.base import Item

pytestmark = [pytest.mark.real, pytest.mark.xdist_group("debian")]

FOREIGN = "to make the image of another architecture takes minutes of emulation"

PROGRAM = b'#include <stdio.h>\nint main(void) { puts("compiled here"); return 0; }\n'


@pytest.fixture(scope="module", params=["amd64", pytest.param("arm64", marks=pytest.mark.whole(FOREIGN))])
def twins(request: pytest.FixtureRequest) -> Iterator[tuple[Bench, Bench]]:
    """Two clones that live side by side."""
    kind = Kind("qemu", request.param, cloned=True, image="debian")
    with fresh_home() as home, living_in(home), contextlib.ExitStack() as stack:
        keep_consoles(request.session, home.root)
        first = order_for(kind, home, name="one")
        template = template_for(first)
        assert isinstance(template, Template), template
        pair = []
        for name in ("one", "two"):
            scratch, logs = first.scratch.parent / name, first.logs / name
            order = replace(first, name=name, scratch=scratch, logs=logs, template=template)
            pair.append(stack.enter_context(on_bench(kind, order)))
        yield pair[0], pair[1]


@pytest.fixture
def desk(twins: tuple[Bench, Bench]) -> Bench:
    return twins[0]


class TestClones:
    def test_they_are_clones(self, twins: tuple[Bench, Bench]) -> None:
        assert [bench.live.handle.data["start"] for bench in twins] == ["clone", "clone"]

    @pytest.mark.parametrize(
        "command",
        [
            "cat /etc/machine-id",
            "cat /etc/ssh/ssh_host_ed25519_key",
            "head -c 16 /dev/urandom | od -An -tx1",
            "hostname",
            "cat /etc/hostname",
        ],
    )
    def test_they_differ_in(self, twins: tuple[Bench, Bench], command: str) -> None:
        answers = [bench.command("sh", "-c", command).stdout for bench in twins]
        assert answers[0].strip()
        assert answers[0] != answers[1]

    def test_one_does_not_see_what_the_other_writes(self, twins: tuple[Bench, Bench]) -> None:
        assert twins[0].command("sh", "-c", "echo mine >/etc/mark && sync").code == 0
        assert twins[1].command("cat", "/etc/mark").code != 0

    def test_a_machine_id_is_one(self, desk: Bench) -> None:
        text = desk.command("cat", "/etc/machine-id").stdout.decode()
        assert len(text.strip()) == 32
        assert int(text, 16)

    def test_the_name_resolves(self, desk: Bench) -> None:
        assert desk.command("getent", "hosts", "one").stdout.split()[:2] == [b"127.0.1.1", b"one"]


class TestTheSystem:
    def test_nothing_failed(self, desk: Bench) -> None:
        assert desk.command("systemctl", "is-system-running", "--wait").stdout.strip() == b"running"

    def test_every_package_is_installed(self, desk: Bench) -> None:
        query = "dpkg-query -W -f '${db:Status-Abbrev}|${Package}\\n'"
        lines = desk.command("sh", "-c", query).stdout.decode().splitlines()
        assert len(lines) > 150
        assert [line for line in lines if not line.startswith("ii ")] == []
        assert desk.command("dpkg", "--audit").stdout == b""

    @pytest.mark.parametrize(
        "tool", ["rsync", "git", "tmux", "vim", "strace", "ltrace", "valgrind", "gdb", "less", "man", "sudo"]
    )
    def test_what_people_reach_for_is_there(self, desk: Bench, tool: str) -> None:
        assert desk.command("sh", "-c", f"command -v {tool}").code == 0

    def test_valgrind_finds_what_a_program_loses(self, desk: Bench) -> None:
        program = "#include <stdlib.h>\nint main(void) { return malloc(77) == 0; }\n"
        script = f"printf '{program}' >l.c && gcc -g l.c -o l && valgrind --leak-check=full ./l 2>&1"
        assert b"77 bytes in 1 blocks are definitely lost" in desk.command("sh", "-c", script).stdout

    def test_files_are_what_the_packages_brought(self, desk: Bench) -> None:
        done = desk.command("dpkg", "--verify", "coreutils", "bash", "sudo", "libc6", "openssh-server")
        assert done.stdout == b""

    def test_special_owners_and_modes_are_as_packaged(self, desk: Bench) -> None:
        shown = desk.command("stat", "-c", "%U:%G %a", "/usr/bin/sudo", "/var/mail", "/tmp", "/etc/shadow")
        assert shown.stdout.decode().splitlines() == [
            "root:root 4755",
            "root:mail 2775",
            "root:root 1777",
            "root:shadow 640",
        ]

    def test_modules_can_be_loaded(self, desk: Bench) -> None:
        assert desk.command("modprobe", "overlay").code == 0


class TestPeopleCan:
    def test_compile_and_run(self, desk: Bench) -> None:
        desk.put(Item("hello.c", PROGRAM, 0o644, desk.student), Item("out", None, 0o755, desk.student))
        done = desk.shell("cc -o out/hello hello.c && ./out/hello", timeout=120.0)
        assert done.stdout == "compiled here\n"

    def test_look_inside(self, desk: Bench) -> None:
        traced = desk.shell("strace -e trace=exit_group /bin/true 2>&1", timeout=120.0)
        assert "exit_group(0)" in traced.stdout
        debugged = desk.shell("gdb --batch -nx -ex run -ex 'print 6*7' /bin/true 2>&1", timeout=240.0)
        assert "$1 = 42" in debugged.stdout

    def test_read_the_manual(self, desk: Bench) -> None:
        page = desk.shell("MANPAGER=cat man 2 pipe", timeout=240.0)
        assert "pipefd" in page.stdout

    def test_become_root_because_the_recipe_lets_them(self, desk: Bench) -> None:
        # Not through the runner: it sets no_new_privs, which is what sudo is told apart by.
        done = desk.command("su", "student", "-c", "sudo id -u")
        assert done.stdout.strip() == b"0", done.stderr

    def test_not_become_the_other_user_without_it(self, desk: Bench) -> None:
        assert desk.command("su", "other", "-c", "sudo -n id -u").code != 0


class TestLessons:
    """What only a machine with a disk and with cgroup-tools can show of control groups."""

    def test_the_tools_do_what_is_done_by_hand_and_refuse_names_of_version_1(self, desk: Bench) -> None:
        script = (EXERCISES / "cgroups/by-hand/by_hand.sh").read_bytes()
        desk.put(Item("by_hand.sh", script, 0o644, desk.student))
        said = desk.command("sh", "-c", f"cd {desk.work} && sh by_hand.sh").stdout.decode()
        seen = observations(said)
        assert (seen["tools"], seen["names_of_version_1"]) == ("allowed", "refused"), said
        assert seen["tools_quota"] == seen["quota"] == "350000 1000000"

    def test_a_limit_on_block_io_slows_a_disk_down(self, desk: Bench) -> None:
        desk.put(Item("io.c", (EXERCISES / "cgroups/io/io.c").read_bytes(), 0o644, desk.student))
        said = desk.command("sh", "-c", f"cd {desk.work} && cc -o io io.c && ./io").stdout.decode()
        seen = observations(said)
        assert (seen["disk"], seen["set_limit"]) == ("found", "allowed"), said
        assert seen["io_stat_counts"] is True
        assert seen["limited_takes_time"] is True


def test_the_image_says_how_it_was_configured(desk: Bench) -> None:
    how = cache.meta(desk.order.image.folder)["configured"]
    assert how == "in a guest" or desk.kind.arch == HOST
