"""Two students work on machines of their own: what they wrote is collected, checked, handed in and graded."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from class_work import write_class
from command import Answer, environment, isolab, started
from consoles import keep_consoles
from habitat import Home, fresh_home, wait_until

from orchestrator.deadline import Deadline
from orchestrator.host import process

pytestmark = pytest.mark.real

UP = """\
import sys
from pathlib import Path
from orchestrator.classes.load import load_class
from orchestrator.progress import SilentProgress
from orchestrator.run.run import Selection
from orchestrator.sessions.lifecycle import bring_up
found = load_class(Path(sys.argv[1]))
for seat in found.seats:
    done = bring_up(found.machines, found.session(seat.name), Selection(("desk",)), SilentProgress())
    assert not done.failures, done.failures
"""
ASK = """\
import sys
from pathlib import Path
from orchestrator.classes.load import load_class
from orchestrator.classes.work.requests import answer
from orchestrator.progress import SilentProgress
found = load_class(Path(sys.argv[1]))
asked = answer(found, found.seats[0], sys.argv[2:], SilentProgress())
while True:
    try:
        print(next(asked))
    except StopIteration as end:
        sys.exit(int(end.value))
"""
"""As the gateway asks for a student."""
HOSTILE = r"""
cd ~; mkdir -p 'a b/-C' deep; echo one > 'a b/-C/-T'; echo two > "$(printf 'odd\377')"
echo x > "$(printf 'line\nbreak')"; ln -s /etc/shadow shadow; ln -s / root; mkfifo fifo; ln 'a b/-C/-T' hard
mkdir .cache; echo > .cache/x; truncate -s 100G huge; truncate -s 5M sparse; : > empty; chmod 0 empty
(while :; do echo more >> grows; sleep 0.01; done) > /dev/null 2>&1 &
echo $! > deep/writer
"""
PROGRAM = r"""#include <stdio.h>
int main(void) { printf("{\"answer\": %d, \"other\": 0}\n", OWN); return 0; }
"""


@dataclass(frozen=True)
class Term:
    """A class whose two students are in; each use is a process of its own."""

    home: Home
    folder: Path

    def act(self, action: str, *words: str, code: int = 0) -> Answer:
        answer = isolab(self.home, "class", action, self.folder, *words)
        assert answer.code == code, answer.stderr
        return answer

    def json(self, action: str, *words: str) -> Any:
        found: Any = json.loads(self.act(action, "--format", "json", *words).stdout)
        return found

    def say(self, seat: str, line: str) -> str:
        return isolab(self.home, "ssh", f"term.{seat}/desk", "--", line).stdout

    def python(self, script: str, *words: str) -> process.Finished:
        argv = [sys.executable, "-c", script, str(self.folder), *words]
        return process.run(argv, deadline=Deadline.after(300), env=environment(self.home), check=False)


@pytest.fixture(scope="module")
def term(request: pytest.FixtureRequest) -> Iterator[Term]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        (home.root / "class").mkdir()
        write_class(home.root / "class")
        found = Term(home, home.root / "class")
        up = found.python(UP)
        assert up.code == 0, up.tail()
        assert [one["files"] for one in found.json("push")["machines"]] == [9, 9]
        yield found
        assert isolab(home, "down", "--all").code == 0
        assert home.settled() == []


def test_hostile_homes_are_collected_and_only_what_changed_again(term: Term) -> None:
    term.say("ada", HOSTILE)
    ada = {one["seat"]: one for one in term.json("collect")["machines"] if one["machine"] == "desk"}["ada"]
    copy = term.folder / "collected/ada/desk"
    assert (copy / "a b/-C/-T").read_text() == (copy / "hard").read_text() == "one\n"
    assert (copy / os.fsdecode(b"odd\xff")).read_text() == "two\n"
    assert (copy / "sparse").stat().st_size == 5 * 2**20
    assert (copy / "sparse").stat().st_blocks == 0
    assert (copy / "empty").is_file()
    assert (copy / "grows").stat().st_size > 0
    skipped = {words.partition(":")[0] for words in ada["skipped"]}
    assert skipped == {"shadow", "root", "fifo", "huge"}
    assert {words.partition(":")[0] for words in ada["missed"]} == {"huge"}
    assert (copy / "line\nbreak").read_text() == "x\n"
    assert [
        path for path in copy.rglob("*") if path.is_symlink() or not (path.is_file() or path.is_dir())
    ] == []
    assert not (copy / ".cache").exists()

    term.say("ada", "kill $(cat deep/writer); rm -r 'a b'; echo TWO > deep/new")
    term.json("collect")
    (ada,) = term.json("collect", "--student", "ada")["machines"][:1]
    assert (ada["fresh"], ada["gone"]) == (0, 0)
    assert (copy / "deep/new").read_text() == "TWO\n"
    assert not (copy / "a b").exists()
    (kept,) = (term.folder / "collected/ada/.before").rglob("-T")
    assert kept.read_text() == "one\n"


def test_killed_on_the_way_the_copy_before_is_whole(term: Term) -> None:
    term.say("bob", "cd ~; rm -f huge; head -c 20000000 /dev/urandom > big; echo one > small/first/notes")
    term.act("collect", "--student", "bob")
    copy = term.folder / "collected/bob/desk"
    before = {path: path.stat().st_size for path in copy.rglob("*") if path.is_file()}
    term.say("bob", "cd ~; head -c 20000000 /dev/urandom > big; rm small/first/notes")
    with started(term.home, "class", "collect", term.folder, "--student", "bob") as run:
        making = copy.parent / ".making-desk"
        wait_until(lambda: (making / "big").exists() or run.child.poll() is not None, "the file to come")
        run.send(signal.SIGKILL)
        run.wait()
    assert {path: path.stat().st_size for path in copy.rglob("*") if path.is_file()} == before
    term.act("collect", "--student", "bob")
    assert not (copy / "small/first/notes").exists()
    digest = process.run(["sha256sum", copy / "big"], deadline=Deadline.after(60)).stdout.split()[0].decode()
    assert digest in term.say("bob", "sha256sum big")


def test_work_is_checked_handed_in_and_graded(term: Term) -> None:
    readme = term.say("ada", "cat small/first/README.md")
    own = re.search(r"Yours is (\d+)", readme)
    assert own, readme
    right, wrong = PROGRAM.replace("OWN", own[1]), PROGRAM.replace("OWN", "0")
    term.say(
        "ada", f"cat > small/first/answer.c <<'E'\n{right}E\necho 'int main(' > small/topic/second/answer.c"
    )
    term.say("bob", f"cat > small/first/answer.c <<'E'\n{wrong}E\n")

    checked = term.python(ASK, "check", "small/first")
    assert (checked.code, "2 of 2 points" in checked.stdout.decode()) == (0, True), checked.stdout
    broken = term.python(ASK, "check", "second")
    assert (broken.code, "does not compile" in broken.stdout.decode()) == (1, True), broken.stdout
    handed = term.python(ASK, "hand-in", "first")
    assert handed.code == 0, handed.tail()
    receipt = term.folder / "handed-in/small/ada/1/receipt.txt"
    assert receipt.read_text() in handed.stdout.decode()
    assert isolab(term.home, "grade", "--verify", receipt).code == 0

    term.act("collect", "--student", "bob")
    graded = isolab(term.home, "grade", term.folder)
    assert graded.code == 1, graded.stderr
    assert "graded as collected: bob" in graded.stderr
    with (term.folder / "grades/small/grades.csv").open() as file:
        rows = {(row["id"], row["exercise"]): row for row in csv.DictReader(file)}
    first, second = "./first", "./topic/second"
    assert rows["ada", first]["points"] == "2"  # of 3: nobody knows what the hidden test wants
    assert rows["bob", first]["points"] == "0"
    assert {rows[who, second]["verdict"] for who in ("ada", "bob")} == {"not gradable"}
    again = isolab(term.home, "grade", term.folder)
    assert "graded now: 0" in again.stdout, again.stdout


def test_a_command_and_a_message_reach_everybody(term: Term) -> None:
    ran = term.json("run", "--", "id", "-un")
    assert [(one["seat"], one["stdout"], one["ending"]) for one in ran["machines"]] == [
        ("ada", "student\n", "exit 0"),
        ("bob", "student\n", "exit 0"),
    ]
    assert "== 2 machines (exit 3): ada/desk, bob/desk" in term.act("run", "--", "exit 3", code=1).stdout
    assert len(term.json("message", "Ten minutes left")["machines"]) == 2


def test_pushed_files_replace_none_of_a_students(term: Term) -> None:
    (term.home.root / "notes.txt").write_text("ours")
    term.say("ada", "echo mine > notes.txt")
    term.act("push", str(term.home.root / "notes.txt"))
    assert term.say("ada", "cat notes.txt notes.txt~") == "oursmine\n"
    assert term.say("bob", "cat notes.txt; ls notes.txt~") == "ours"
    (again, _) = term.json("push", str(term.home.root / "notes.txt"))["machines"]
    assert (again["files"], again["left_alone"]) == (0, ["notes.txt"])
