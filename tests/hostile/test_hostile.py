"""A class of students who try things: each is graded right, and neither the host nor anybody else suffers.

All hand in to one `isolab grade`; the tests look at what came of it.
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import os
import re
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from class_of_attackers import IDS, RIGHT, SUBMISSIONS, make_class
from command import Answer, isolab
from consoles import keep_consoles
from expected import ALL_SUM, BY_EXERCISE, SCORED, SECRETS, Expected
from habitat import HOME, Home, fresh_home

from orchestrator.paths import EXERCISES, scratch_base

pytestmark = pytest.mark.real

LAB = Path(__file__).parent / "lab"
MARKS = ("/tmp/isolab-hostile-was-here", "/tmp/notes", "/tmp/alive", "/tmp/flood", "/dev/shm/flood")
"""What the submissions would leave on the host if they could."""
BESIDE = ("disk-flood", "endless-output", "exhausts-ports", "fork-bomb", "memory-flood")
"""Attackers that have a neighbour in the class, who hands in something right just after them."""
HARMLESS_BYTES = 2**20
MOST_TAKEN = 8 * 2**30
"""Bytes of a disk that are fewer free afterwards: other tests build images meanwhile, a flood takes all."""
OURS = ("/usr/", "/bin/", "/sbin/", "/opt/", sys.prefix, sys.base_prefix, str(scratch_base()))
"""Where programs are that listen on a host on which nothing broke out; the last, those of other runs."""
OTHERS = f"{tempfile.gettempdir()}/{HOME}"
"""Where those of other tests are."""
_LISTENING = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
"""The state of a socket that waits for others, in the tables of /proc/net: net/tcp_states.h."""


@dataclass(frozen=True)
class Host:
    """What of the host submissions might have changed."""

    files: dict[str, str]
    clock: float
    listening: set[str]
    free: dict[str, int]

    @staticmethod
    def now(submissions: Path, home: Home) -> Host:
        kept = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/hosts")
        files = {path: _without_test_accounts(Path(path)) for path in kept if Path(path).exists()}
        files |= {mark: "there" for mark in MARKS if os.path.lexists(mark)}
        free = {place: shutil.disk_usage(place).free for place in ("/", "/tmp", submissions.as_posix())}
        return Host(files | _tree(submissions), time.time() - time.monotonic(), _listening(home), free)


def _listening(home: Home) -> set[str]:
    """Protocol, port and program of every socket of this host that waits for others, but for programs where
    they belong and those of other tests."""
    sockets = {}
    for protocol, state in _LISTENING.items():
        for line in Path(f"/proc/net/{protocol}").read_text().splitlines()[1:]:
            place, about, inode = (line.split()[field] for field in (1, 3, 9))
            if about == state:
                sockets[f"socket:[{inode}]"] = f"{protocol} {int(place.rpartition(':')[2], 16)}"
    found = {name: "nobody" for name in sockets}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked
            for opened in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if (name := str(opened.readlink())) in sockets:
                        found[name] = str((process / "exe").readlink())
    here = f"{home.root}/"
    foreign = {name: exe for name, exe in found.items() if exe.startswith(here) or not exe.startswith(OTHERS)}
    return {
        f"{sockets[name]} {exe}" for name, exe in foreign.items() if not exe.startswith(("nobody", *OURS))
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _without_test_accounts(file: Path) -> str:
    """The lines of a file but for those of accounts that other tests make and remove meanwhile."""
    return "".join(line for line in file.read_text().splitlines(True) if not line.startswith("isolab-"))


def _tree(folder: Path) -> dict[str, str]:
    """All that is in a folder, with modes, owners and contents; no link is followed."""
    found = {}
    for above, folders, files, here in os.fwalk(folder):
        for name in (*folders, *files):
            about = os.stat(name, dir_fd=here, follow_symlinks=False)
            words = f"{about.st_mode} {about.st_uid} {about.st_size} {about.st_mtime_ns}"
            if stat.S_ISREG(about.st_mode) and about.st_size < HARMLESS_BYTES:
                words += " " + _digest(Path(f"/proc/self/fd/{here}") / name)
            found[f"{above}/{name}"] = words
    return found


@dataclass(frozen=True)
class Graded:
    """What `isolab grade` made of the class."""

    answer: Answer
    out: Path
    rows: dict[tuple[str, str], dict[str, str]]
    before: Host
    after: Host

    def row(self, student: str, exercise: str) -> dict[str, str]:
        return self.rows[student, exercise]

    def page(self, student: str, ending: str) -> str:
        return (self.out / "feedback" / f"{student}.{ending}").read_text()


def _rows(out: Path) -> dict[tuple[str, str], dict[str, str]]:
    with (out / "grades.csv").open(newline="") as file:
        return {(row["id"], row["exercise"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home:
        keep_consoles(request.session, home.out)
        yield home


@pytest.fixture(scope="module")
def graded(home: Home) -> Graded:
    lab = home.root / "lab"
    shutil.copytree(LAB, lab)
    shutil.copytree(EXERCISES / "work/support", lab / "support")
    attackers = home.root / "class"
    make_class(attackers)
    for name in BESIDE:
        own = attackers / f"{name}-beside/sum"
        own.mkdir(parents=True)
        (own / "answer.c").write_bytes(b"/* %s */\n" % name.encode() + RIGHT)
    before = Host.now(attackers, home)
    answer = isolab(home, "grade", lab, attackers, "--out", home.out, seconds=1200)
    return Graded(answer, home.out, _rows(home.out), before, Host.now(attackers, home))


CASES = [
    pytest.param(name, exercise, want, id=f"{name}{exercise.removeprefix('.').replace('/', '-')}")
    for exercise, expected in BY_EXERCISE.items()
    for name, want in expected.items()
]


@pytest.mark.parametrize(("name", "exercise", "want"), CASES)
def test_verdict(graded: Graded, name: str, exercise: str, want: Expected) -> None:
    row = graded.row(name, exercise)
    assert (row["verdict"], float(row["points"] or -1) in want.points) == (want.verdict, True), str(row)
    for words in want.says:
        assert words in row["reason"]
    for words in want.remarks:
        assert words in graded.page(name, "md")
    if want.verdict != SCORED:
        assert row["reason"]


def test_every_submission_is_expected_to_get_something() -> None:
    handed_in = {
        (folder.name, f"./{exercise}")
        for folder in SUBMISSIONS.iterdir()
        for exercise in ("sum", "direct")
        if (folder / exercise / "answer.c").exists()
    }
    assert handed_in <= {(name, exercise) for exercise, names in BY_EXERCISE.items() for name in names}
    assert len({name for names in BY_EXERCISE.values() for name in names}) >= 40


@pytest.mark.parametrize("raw", IDS, ids=ascii)
def test_a_student_with_an_odd_id_gets_all_points(graded: Graded, raw: bytes) -> None:
    found = [row for (who, exercise), row in graded.rows.items() if exercise == "./sum" and _is(who, raw)]
    assert [(row["verdict"], float(row["points"])) for row in found] == [(SCORED, ALL_SUM)]


def _is(shown: str, raw: bytes) -> bool:
    """Whether an id of the CSV is this one: made printable, and no formula."""
    plain = re.sub(rb"[^A-Za-z]", b"", raw).decode()
    return plain == re.sub(r"\\x..|\\n|\\u....|[^A-Za-z]", "", shown)


class TestNobodyReadsWhatIsHidden:
    def test_feedback(self, graded: Graded) -> None:
        pages = sorted((graded.out / "feedback").iterdir())
        assert len(pages) >= len(graded.rows) / 2
        leaks = [
            f"{page.name}: {secret}" for page in pages for secret in SECRETS if secret in page.read_text()
        ]
        assert not leaks

    def test_what_is_for_each_student(self, graded: Graded) -> None:
        leaks = [
            f"{row['id']}: {secret}"
            for row in graded.rows.values()
            for secret in SECRETS
            if secret in row["reason"]
        ]
        assert not leaks


class TestPages:
    def test_nothing_in_them_controls_a_terminal_or_a_reader(self, graded: Graded) -> None:
        pages = [*(graded.out / "feedback").iterdir(), *graded.out.glob("*.html"), graded.out / "grades.csv"]
        found = [page.name for page in pages if _controls(page.read_text())]
        assert not found

    def test_no_markup_of_a_student_is_in_them(self, graded: Graded) -> None:
        pages = [*(graded.out / "feedback").glob("*.html"), *graded.out.glob("*.html")]
        evil = re.compile(r"<script>alert|<script>document|<img src=x|javascript:alert\(1\)\"", re.IGNORECASE)
        assert not [page.name for page in pages if evil.search(page.read_text())]

    def test_none_is_long(self, graded: Graded) -> None:
        sizes = {page.name: page.stat().st_size for page in (graded.out / "feedback").iterdir()}
        assert not {name: size for name, size in sizes.items() if size > HARMLESS_BYTES}

    def test_no_cell_is_a_formula(self, graded: Graded) -> None:
        cells = [cell for row in graded.rows.values() for cell in row.values() if cell]
        assert not [cell for cell in cells if cell[0] in "=+@\t\r" or re.match(r"-[^\d]", cell)]


def _controls(text: str) -> bool:
    return bool(re.search("[\x00-\x08\x0b-\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text))


class TestHost:
    def test_no_process_and_no_file_is_left(self, graded: Graded, home: Home) -> None:
        assert home.settled() == []

    def test_files_are_as_they_were(self, graded: Graded) -> None:
        assert graded.after.files == graded.before.files

    def test_so_is_the_clock(self, graded: Graded) -> None:
        assert graded.after.clock == pytest.approx(graded.before.clock, abs=5)

    def test_nothing_new_listens(self, graded: Graded) -> None:
        assert graded.after.listening - graded.before.listening == set()

    def test_its_disks_have_room(self, graded: Graded) -> None:
        taken = {place: free - graded.after.free[place] for place, free in graded.before.free.items()}
        assert not {place: bytes_ for place, bytes_ in taken.items() if bytes_ > MOST_TAKEN}

    def test_little_was_written(self, home: Home, graded: Graded) -> None:
        total = sum(path.lstat().st_size for path in graded.out.rglob("*") if not path.is_symlink())
        assert total < 128 * HARMLESS_BYTES


class TestNeighbour:
    @pytest.mark.parametrize("name", BESIDE)
    def test_gets_all_points(self, graded: Graded, name: str) -> None:
        row = graded.row(f"{name}-beside", "./sum")
        assert (row["verdict"], float(row["points"])) == (SCORED, ALL_SUM)
