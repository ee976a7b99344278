"""Sessions: one process brings them up and ends, others use them and take them down."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import ISOLAB, environment, isolab
from consoles import keep_consoles
from habitat import fresh_home, own_number, wait_until
from place import LAB, Place, has_qemu
from places import LABS
from typist import CTRL_C, CTRL_Z, Typist, at_terminal

from orchestrator.deadline import Deadline
from orchestrator.host import process, process_table

pytestmark = pytest.mark.real

MACHINES = ("bare", "big", "caged", "crate", "guest")
GUESTS = ("big", "guest")
ASKED = [
    name if name in ("crate", "guest") else pytest.param(name, marks=pytest.mark.rotated) for name in MACHINES
]
"""All are up on each day of CI, and what is asked of the others takes turns."""
MIB = 2**20


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """The whole lab up; whoever brought it up has ended. In the end nothing may be left."""
    if os.getuid() != 0:
        pytest.skip("needs root: other users and containers' limits are part of what is tested")
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        found = Place(home)
        assert sorted(found.json("up", LAB)["up"]) == list(MACHINES)
        yield found
        assert "stay/guest was taken down" in found.isolab("down", "--all").stdout
        assert found.json("status") == {"machines": []}
        assert list((home.root / "state" / "sessions").iterdir()) == []


@pytest.fixture(params=ASKED)
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestStatus:
    def test_each_is_asked_and_shown_for_what_it_is(self, place: Place) -> None:
        rows = {row["machine"]: row for row in place.json("status")["machines"]}
        assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(MACHINES, "up")
        assert (rows["big"]["arch"], rows["big"]["boundary"]) == ("s390x", "emulated")
        assert rows["guest"]["memory"] == 256 * MIB
        assert 10 * MIB < rows["guest"]["memory_in_use"] < 600 * MIB
        assert "stay/crate" in place.isolab("status").stdout

    def test_up_again_finds_them_up(self, place: Place) -> None:
        again = place.json("up", LAB)
        assert (again["up"], sorted(again["were_up"])) == ([], list(MACHINES))
        assert "all machines already up" in place.isolab("up", LAB, "--only", "bare").stdout

    def test_neither_gc_nor_another_labs_run_touches_them(self, place: Place) -> None:
        handles = place.json("status")["machines"]
        said = place.isolab("gc").stdout
        assert "running machines: 5" in said
        # The cache is everybody's: what others left incomplete there may be named, nothing of ours.
        removed = [line for line in said.splitlines() if line.startswith("removed ")]
        assert [line for line in removed if "incomplete" not in line] == []
        place.isolab("run", LABS / "small", "--only", "bare", "--out", place.home.out)
        assert [(m["name"], m["since"], m["state"]) for m in place.json("status")["machines"]] == [
            (m["name"], m["since"], "up") for m in handles
        ]

    def test_the_same_session_of_another_lab_is_refused(self, place: Place) -> None:
        answer = place.isolab("up", LABS / "small", "--name", "stay", code=2)
        assert "already has machines of another lab" in answer.stderr
        assert "--name" in answer.stderr


class TestCommands:
    def test_a_command_runs_as_the_student_at_home(self, place: Place, machine: str) -> None:
        said = place.say(machine, "id -u; pwd; echo $HOME").split()
        assert said[0] == ("60600" if machine in ("bare", "caged") else "1000")
        assert said[1] == said[2]
        assert said[1].endswith("/home/student")

    def test_its_status_is_ours_and_its_input_too(self, place: Place, machine: str) -> None:
        line = "cat; echo err >&2; exit 7"
        done = process.run(
            [*ISOLAB, "ssh", machine, "--", line],
            deadline=Deadline.after(120),
            stdin=b"words\n",
            env=environment(place.home),
            check=False,
        )
        assert (done.code, done.stdout) == (7, b"words\n")
        assert b"err\n" in done.stderr

    def test_several_words_arrive_as_they_are(self, place: Place, machine: str) -> None:
        said = place.isolab("ssh", machine, "printf", "<%s>", "two words", "$HOME", "-x").stdout
        assert said == "<two words><$HOME><-x>"

    def test_one_that_a_signal_ended_ends_alike_everywhere(self, place: Place, machine: str) -> None:
        killed = place.isolab("ssh", machine, "kill -9 $$", code=137)
        assert killed.stderr.endswith("isolab: killed by SIGKILL\n")

    def test_signals_are_at_their_defaults(self, place: Place, machine: str) -> None:
        masks = place.say(machine, "grep -E 'Sig(Ign|Blk)' /proc/self/status").split()
        assert masks == ["SigBlk:", "0" * 16, "SigIgn:", "0" * 16]

    def test_long_commands_and_arguments_of_any_bytes_arrive(self, place: Place, machine: str) -> None:
        words = ["y" * 100] * 2000
        shown = place.isolab("ssh", machine, "--", "printf", "%s\n", *words).stdout
        assert shown == "".join(f"{word}\n" for word in words)
        assert "isolab." not in place.say(machine, "ls /tmp | grep isolab[.] || :")
        argument = os.fsdecode(b"caf\xe9")
        line = ["ssh", machine, "--", "sh", "-c", 'printf %s "$1" | od -A n -t x1', "sh", argument]
        assert place.isolab(*line).stdout.split() == ["63", "61", "66", "e9"]

    def test_the_status_holds_when_nobody_reads_or_writes(self, place: Place, machine: str) -> None:
        for closed in ("<&-", ">&-", "<&- >&- 2>&-"):
            done = process.run(
                ["sh", "-c", f'exec "$@" {closed}', "sh", *ISOLAB, "ssh", machine, "exit 7"],
                deadline=Deadline.after(120), env=environment(place.home), check=False,
            )  # fmt: skip
            assert done.code == 7, (closed, done.stderr)

    def test_other_users(self, place: Place) -> None:
        assert place.say("guest", "id -un", "--user", "root") == "root\n"
        assert place.say("big", "id -un", "--user", "other") == "other\n"
        assert place.say("crate", "id -un", "--user", "root") == "root\n"
        assert place.say("bare", "id -u", "--user", "other") == "60601\n"
        refused = place.isolab("ssh", "--user", "root", "bare", code=2)
        assert "no user 'root'" in refused.stderr

    def test_names_that_are_wrong(self, place: Place) -> None:
        assert "did you mean 'guest'" in place.isolab("ssh", "gest", code=2).stderr
        assert "stay/crate" in place.isolab("console", "stay", code=2).stderr


def _shell(place: Place, machine: str) -> Any:
    env = {**environment(place.home), "TERM": "xterm"}
    return at_terminal([*ISOLAB, "ssh", machine], env, str(place.home.root))


def _ready(typist: Typist) -> None:
    """Wait for the shell: its answer, which its echo of our line does not hold."""
    typist.type("echo re''ady")
    typist.read_until("ready\r\n")


class TestATerminal:
    def test_ctrl_c_ends_what_runs_and_the_shell_lives(self, place: Place, machine: str) -> None:
        with _shell(place, machine) as typist:
            _ready(typist)
            typist.type(f"echo be''gun; exec_me=1 sleep {own_number(1)}")
            typist.read_until("begun\r\n")
            _until_asleep(place, machine, own_number(1))
            typist.press(CTRL_C)
            typist.type("echo status=$?")
            typist.read_until("status=130")
            typist.type("exit 5")
            assert typist.status() == 5

    def test_ctrl_z_stops_what_runs_and_fg_goes_on_with_it(self, place: Place, machine: str) -> None:
        with _shell(place, machine) as typist:
            _ready(typist)
            typist.type(f"echo be''gun; sleep {own_number(2)}")
            typist.read_until("begun\r\n")
            _until_asleep(place, machine, own_number(2))
            typist.press(CTRL_Z)
            assert "topped" in typist.read_until(f"sleep {own_number(2)}\r\n")
            typist.type("kill %1; fg; echo af''ter")
            typist.read_until("after\r\n")
            typist.type("exit")
            typist.status()

    def test_it_sees_the_size_of_the_window_and_its_changes(self, place: Place, machine: str) -> None:
        with _shell(place, machine) as typist:
            _ready(typist)
            typist.type("stty size")
            typist.read_until("30 100")
            typist.resize(44, 132)
            # The change travels on its own; the shell is asked until it has arrived.
            typist.type('until [ "$(stty size)" = "44 132" ]; do sleep 1; done; echo sized')
            typist.read_until("sized\r\n")

    def test_what_is_left_running_ends_with_the_terminal(self, place: Place) -> None:
        with _shell(place, "bare") as typist:
            _ready(typist)
            typist.type(f"trap '' HUP; (setsid sleep {own_number(3)} &); sleep {own_number(3)}")
            wait_until(lambda: len(_sleeping(place, "bare", own_number(3))) >= 2, "both asleep")
        wait_until(lambda: not _sleeping(place, "bare", own_number(3)), "both gone")


def _until_asleep(place: Place, machine: str, seconds: str) -> None:
    wait_until(lambda: _sleeping(place, machine, seconds), f"sleep {seconds} in {machine}")


def _sleeping(place: Place, machine: str, seconds: str) -> list[str]:
    if machine in ("bare", "caged"):
        return [
            str(p) for p in process_table.find(lambda pid: process_table.arguments(pid) == ["sleep", seconds])
        ]
    pattern = f"grep -ls '[{seconds[0]}]{seconds[1:]}' /proc/[0-9]*/cmdline || true"
    return place.say(machine, pattern, "--user", "root").split()


class TestFiles:
    def test_there_and_back(self, place: Place, machine: str, tmp_path: Path) -> None:
        tool = place.file("tree/sub/tool", b"#!/bin/sh\necho ran\n")
        tool.chmod(0o755)
        place.file("tree/a file", os.urandom(70_000))
        place.isolab("push", machine, place.home.root / "tree", "in/side")
        assert place.say(machine, "in/side/tree/sub/tool") == "ran\n"
        told = place.json("pull", machine, "in/side/tree", tmp_path)
        assert (told["files"], told["bytes"]) == (2, 70_019)
        for name in ("sub/tool", "a file"):
            assert (tmp_path / "tree" / name).read_bytes() == (place.home.root / "tree" / name).read_bytes()
        assert (tmp_path / "tree/sub/tool").stat().st_mode & 0o777 == 0o755

    @pytest.mark.parametrize("machine", ["bare", "crate", "guest"])
    def test_more_than_one_answer_may_hold(self, place: Place, machine: str, tmp_path: Path) -> None:
        place.say(machine, "head -c 20000000 /dev/urandom > large")
        refused = place.isolab("pull", machine, "large", tmp_path, "--limit", "1MiB", code=3)
        assert "sent more than 1MiB" in refused.stderr
        assert "--limit" in refused.stderr
        assert place.json("pull", machine, "large", tmp_path)["bytes"] == 20_000_000
        sums = place.say(machine, "sha256sum large; rm large").split()[0]
        here = process.run(["sha256sum", tmp_path / "large"], deadline=Deadline.after(60)).stdout
        assert here.decode().split()[0] == sums

    def test_times_modes_holes_and_links_survive(self, place: Place, machine: str, tmp_path: Path) -> None:
        folder = place.file("kept/file", b"content").parent
        (folder / "file").chmod(0o640)
        os.utime(folder / "file", (1_000_000_000, 1_000_000_000))
        (folder / "again").unlink(missing_ok=True)
        (folder / "again").hardlink_to(folder / "file")
        with (folder / "disk").open("wb") as disk:
            disk.write(b"begin")
            disk.seek(8 * MIB)
            disk.write(b"end")
        (tmp_path / "way").symlink_to(folder)
        place.isolab("push", machine, tmp_path / "way", "survives")
        disk_use = place.say(machine, "du -k survives/way/disk").split()[0]
        assert int(disk_use) < 1024
        place.say(machine, "cd survives && ln -sfn way link")
        place.isolab("pull", machine, "survives/link", tmp_path / "back")
        back = tmp_path / "back/link"
        assert (back / "disk").read_bytes() == (folder / "disk").read_bytes()
        assert (back / "disk").stat().st_blocks * 512 < MIB
        about = (back / "file").stat()
        assert (about.st_mode & 0o777, int(about.st_mtime)) == (0o640, 1_000_000_000)
        assert (back / "again").samefile(back / "file")

    def test_links_stay_behind_and_nothing_leaves_the_folder(self, place: Place, tmp_path: Path) -> None:
        place.say("guest", "mkdir -p odd && ln -sf /etc/passwd odd/way && echo x > odd/file")
        told = place.json("pull", "guest", "odd", tmp_path)
        assert (told["files"], told["left_out"]) == (1, ["odd/way"])
        assert [path.name for path in (tmp_path / "odd").iterdir()] == ["file"]

    def test_a_machine_without_a_boundary_writes_only_what_its_user_may(
        self, place: Place, machine: str
    ) -> None:
        answer = place.isolab("push", machine, place.file("x"), "/etc", code=2)
        assert "cannot write to /etc on the machine" in answer.stderr
        assert not Path("/etc/x").exists()

    def test_what_is_not_there(self, place: Place, tmp_path: Path) -> None:
        missing = place.isolab("pull", "guest", "nothing-here", tmp_path, code=2).stderr
        assert "nothing-here: no such file or folder on the machine" in missing
        assert "no such file" in place.isolab("push", "guest", tmp_path / "none", code=2).stderr


class TestLogs:
    def test_the_console_of_a_guest(self, place: Place) -> None:
        # A clone says so when it has nothing better to do.
        settled = Deadline.after(60)
        while "listening for SSH" not in place.isolab("console", "guest").stdout:
            settled.check("the guest's console")
        assert any("listening for SSH" in line for line in place.json("console", "big")["lines"])
        assert "its boundary is container" in place.isolab("console", "crate", code=2).stderr

    def test_a_terminal_does_not_obey_the_console(self, place: Place) -> None:
        place.say("guest", r"printf '\033]0;owned\007 words\n' > /dev/console", "--user", "root")
        said = place.isolab("console", "guest").stdout
        assert "owned" in said
        assert "\x1b" not in said

    def test_files_with_their_ends(self, place: Place) -> None:
        said = place.isolab("logs", "stay/guest").stdout
        for name in ("command.txt", "console.log", "qemu.log", "timings.json"):
            assert f"guest/{name} (" in said


class TestSshConfig:
    def test_the_systems_client_gets_in_and_trusts_nothing_else(self, place: Place) -> None:
        config = place.home.root / "config"
        hosts = place.json("ssh-config", "--out", config)["hosts"]
        assert [host["host"] for host in hosts] == ["isolab-stay-big", "isolab-stay-guest"]
        for machine in GUESTS:
            done = _ssh(config, machine, "id -un; hostname")
            assert done.stdout.decode().split() == ["student", machine], done.stderr
        swapped = config.read_text()
        one, other = re.findall(r"Port \d+", swapped)
        config.write_text(swapped.replace(one, "Port x").replace(other, one).replace("Port x", other))
        refused = _ssh(config, "guest", "true")
        assert refused.code == 255
        assert b"verification failed" in refused.stderr

    def test_a_file_of_somebody_else_is_not_written_over(self, place: Place) -> None:
        path = place.file("mine")
        assert "was not written by" in place.isolab("ssh-config", "--out", path, code=2).stderr
        assert path.read_bytes() == b"some words\n"


def _ssh(config: Path, machine: str, line: str) -> process.Finished:
    argv = ["ssh", "-F", str(config), "-o", "BatchMode=yes", f"isolab-stay-{machine}", line]
    return process.run(argv, deadline=Deadline.after(120), check=False)


class TestReset:
    def test_a_new_machine_by_the_same_order(self, place: Place, machine: str) -> None:
        nonce = "cat /run/isolab-nonce 2>/dev/null || true"
        place.say(machine, "echo kept > mark")
        before = place.say(machine, nonce)
        assert place.json("reset", machine)["reset"] == [f"stay/{machine}"]
        assert place.say(machine, "ls mark || echo none").split()[-1] == "none"
        assert not before or place.say(machine, nonce) != before

    def test_a_dead_guest_is_told_with_its_last_words_and_made_anew(self, place: Place) -> None:
        _die(place, "guest")
        assert place.states()["stay/guest"] == "dead"
        for words in (("ssh", "guest"), ("pull", "guest", "x"), ("push", "guest", place.file("x"))):
            told = place.isolab(*words, code=3).stderr
            assert "stay/guest is dead" in told
            assert "isolab reset stay/guest" in told
        assert "last words" in place.isolab("ssh", "guest", code=3).stderr
        place.isolab("reset", "guest")
        assert place.states()["stay/guest"] == "up"
        assert "last words" in place.isolab("logs", "guest").stdout

    def test_up_puts_a_new_one_in_place_of_a_dead_one(self, place: Place) -> None:
        _die(place, "guest")
        assert place.json("up", LAB)["up"] == ["guest"]
        assert set(place.states().values()) == {"up"}


def _die(place: Place, machine: str) -> None:
    words = "echo last words > /dev/console; sync; sleep 1; echo o > /proc/sysrq-trigger"
    isolab(place.home, "ssh", "--user", "root", machine, "--", words, seconds=120)
    tag = f"-{machine}"
    wait_until(lambda: not has_qemu(place.home, tag), "the machine's end")
