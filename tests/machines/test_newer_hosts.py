"""isolab on the Debian releases after this host's: their QEMU clones, their Python runs it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench import HOST, image_of
from consoles import unexpected_words
from habitat import Home, fresh_home, hard_linked
from other_host import PROJECT, OtherHost, other_host

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.toolchain import prepare
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root, to make the other host"),
    pytest.mark.skipif(HOST != "amd64", reason="its Python packages are those of amd64"),
]

MAIN = "from orchestrator.cli.main import main; main()"
MIGRATION = ("drivers/test_qemu_snapshot.py", "drivers/test_qmp.py", "machines/test_template_reasons.py")
GUESTS = ("vm", "s390x")


@dataclass(frozen=True)
class Visit:
    """A run on another host: the answer, and what it left."""

    host: OtherHost
    home: Home
    code: int
    words: str
    out: Path


def made_here() -> None:
    """Make on this host what is downloaded, so that the other one needs no network."""
    archives, deadline = Archives(Deadline.after(1800)), Deadline.after(1800)
    for name in (HOST, "s390x"):
        image_of(name)
        arch = ARCHITECTURES[name]
        prepare(arch, archives.suite(arch.suite), deadline)


@pytest.fixture(
    scope="module",
    params=["trixie", pytest.param("sid", marks=pytest.mark.by_hand)],
)
def visit(request: pytest.FixtureRequest) -> Iterator[Visit]:
    host = other_host(request.param)
    with fresh_home() as home:
        made_here()
        hard_linked(("images", "toolchain"), home.root / "cache")
        env = {**home.variables, "ISOLAB_CACHE": str(home.root / "cache")}
        out = home.root / "out"
        lab = f"/{PROJECT}/tests/labs/newer"
        done = host.run(home.root, ["python3", "-P", "-c", MAIN, "run", lab, "--out", str(out)], env, 900)
        yield Visit(host, home, done.code, (done.stdout + done.stderr).decode(errors="replace"), out)


def test_a_small_lab_passes(visit: Visit) -> None:
    assert visit.code == 0, visit.words


def test_guests_of_its_qemu_do_not_boot(visit: Visit) -> None:
    records = [json.loads(line) for line in (visit.out / "records.jsonl").read_text().splitlines()]
    starts = {row["machine"]: row["start"] for row in records if row["machine"] in GUESTS}
    assert starts.keys() == set(GUESTS), visit.words
    assert set(starts.values()) <= {"clone", "thaw"}, visit.words


def test_its_qemu_warns_of_nothing(visit: Visit) -> None:
    words = {path: path.read_text() for path in visit.out.rglob("qemu.log")}
    assert words
    assert [line for text in words.values() for line in unexpected_words(text)] == []


def test_the_quick_tests_of_cloning_pass_with_its_python(visit: Visit) -> None:
    names = [f"tests/unit/{name}" for name in MIGRATION]
    options = ["-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    done = visit.host.run(visit.home.root, ["python3", "-m", "pytest", *options, *names], {}, 600)
    assert done.code == 0, done.tail(40)
