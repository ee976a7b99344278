"""The lab that ships, end to end: what each boundary is there to show is really seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command import Answer, isolab
from consoles import keep_consoles
from habitat import Home, fresh_home
from html_elements import Elements

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

FOREIGN = tuple(name if name != host_arch().name else "amd64" for name in ("arm64", "s390x", "mipsel"))
USER = "user-s390x" if host_arch().name != "s390x" else "user-amd64"
GUESTS = ("vm", *FOREIGN)
MACHINES = ("process", USER, "sandbox", "container", *GUESTS)
FIELDS: tuple[str, ...] = (
    "run",
    "lab",
    "host",
    "machine",
    "student",
    "driver",
    "boundary",
    "arch",
    "accel",
    "exercise",
)
FIELDS += ("status", "reason", "points", "max_points", "seconds", "guest_seconds", "exit_code", "signal")
FIELDS += ("observations", "stdout", "stderr")
LAB = ROOT / "labs" / "separation"
VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr"})
"""Elements without an end that a report may have."""


@dataclass(frozen=True)
class Run:
    """One run of the lab: how it ended and what it left."""

    home: Home
    answer: Answer
    records: list[dict[str, Any]]

    @property
    def out(self) -> Path:
        return self.home.out

    def seen(self, machine: str, exercise: str) -> dict[str, Any]:
        """What one exercise observed on one machine."""
        (found,) = (r for r in self.records if (r["machine"], r["exercise"]) == (machine, exercise))
        observations = found["observations"]
        assert isinstance(observations, dict)
        return observations


@pytest.fixture(scope="module")
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    with fresh_home() as home:
        keep_consoles(request.session, home.root)
        answer = isolab(home, "run", LAB, "--only", ",".join(MACHINES), "--out", home.out)
        lines = (home.out / "records.jsonl").read_text().splitlines()
        yield Run(home, answer, [json.loads(line) for line in lines])


class TestRecords:
    def test_all_passed(self, run: Run) -> None:
        assert [(r["machine"], r["exercise"], r["reason"]) for r in run.records if _bad(r)] == []
        assert run.answer.code == 0, run.answer.stderr

    def test_the_fields_are_the_documented_ones_in_order(self, run: Run) -> None:
        """New fields may only be appended: who reads by position must not notice."""
        assert {tuple(record)[: len(FIELDS)] for record in run.records} == {FIELDS}

    def test_every_exercise_ran_on_every_machine(self, run: Run) -> None:
        pairs = {(r["machine"], r["exercise"]) for r in run.records}
        exercises = {exercise for _, exercise in pairs}
        assert len(run.records) == len(pairs) == len(MACHINES) * len(exercises)
        assert {machine for machine, _ in pairs} == set(MACHINES)

    def test_every_skip_says_why(self, run: Run) -> None:
        skipped = [r for r in run.records if r["status"] == "skip"]
        assert skipped
        assert all(r["reason"].startswith(("needs ", "only for ")) for r in skipped)
        assert not {r["machine"] for r in skipped} & set(GUESTS)

    def test_boundaries_go_by_driver_and_architecture(self, run: Run) -> None:
        found = {r["machine"]: r["boundary"] for r in run.records}
        wanted = {name: name for name in ("process", "sandbox", "container")} | {"vm": "vm"}
        wanted |= {USER: "user-emulation"} | dict.fromkeys(FOREIGN, "emulated")
        assert found == wanted

    def test_the_run_is_the_same_in_all(self, run: Run) -> None:
        assert len({(r["run"], r["lab"], r["host"]) for r in run.records}) == 1


def _bad(record: dict[str, Any]) -> bool:
    return record["status"] not in ("pass", "skip")


class TestWhatTheBoundariesShow:
    @pytest.mark.parametrize("machine", MACHINES)
    def test_each_machine_names_its_own_architecture(self, run: Run, machine: str) -> None:
        arch = next(r["arch"] for r in run.records if r["machine"] == machine)
        named = machine.removeprefix("user-")
        assert arch == (named if named in ARCHITECTURES else host_arch().name)
        assert run.seen(machine, "memory/address-space")["machine"] in ARCHITECTURES[arch].uname

    def test_only_s390x_is_big_endian(self, run: Run) -> None:
        orders = {m: run.seen(m, "memory/address-space")["byte_order"] for m in MACHINES}
        assert orders == {m: "big" if m.endswith("s390x") else "little" for m in MACHINES}

    def test_only_mipsel_has_short_pointers(self, run: Run) -> None:
        bits = {m: run.seen(m, "memory/address-space")["pointer_bits"] for m in MACHINES}
        assert bits == {m: 32 if m == "mipsel" else 64 for m in MACHINES}

    @pytest.mark.parametrize(
        ("exercise", "key"),
        [
            ("memory/other-process", "read_own_child"),
            ("memory/other-process", "write_own_child"),
            ("namespaces/uts", "userns_unshare"),
            ("namespaces/pid", "unshare"),
            ("namespaces/user", "unshare"),
        ],
    )
    def test_the_sandbox_blocks_what_a_guest_allows(self, run: Run, exercise: str, key: str) -> None:
        assert run.seen("sandbox", exercise)[key] == "blocked (EPERM)"
        assert {run.seen(guest, exercise)[key] for guest in GUESTS} == {"allowed"}

    def test_the_sandbox_blocks_what_a_bare_process_may(self, run: Run) -> None:
        exercise = "memory/other-process"
        for key in ("read_own_child", "write_own_child"):
            assert run.seen("process", exercise)[key] == "allowed"
            assert run.seen("sandbox", exercise)[key] == "blocked (EPERM)"
        changed = {m: run.seen(m, exercise)["child_was_changed"] for m in ("process", "sandbox")}
        assert changed == {"process": True, "sandbox": False}

    def test_who_sees_the_canary(self, run: Run) -> None:
        seen = {m: run.seen(m, "proc/visible-processes")["sees_host_canary"] for m in MACHINES}
        assert seen == {m: "yes" if m in ("process", USER, "sandbox") else "no" for m in MACHINES}

    def test_only_guests_have_a_kernel_of_their_own(self, run: Run) -> None:
        releases = {m: _release(run, m) for m in MACHINES}
        host = releases["process"]
        assert [m for m, release in releases.items() if release == host] == [
            "process",
            USER,
            "sandbox",
            "container",
        ]

    def test_user_mode_emulation_changes_the_processor_and_nothing_else(self, run: Run) -> None:
        """Its kernel has what the host's has; what it lacks is the emulator's doing."""
        for exercise, key, value in (
            ("memory/other-process", "read_own_child", "blocked (ENOSYS)"),
            ("namespaces/user", "unshare", "blocked (EINVAL)"),
        ):
            assert run.seen(USER, exercise)[key] == value
            assert run.seen("s390x", exercise)[key] == "allowed"


def _release(run: Run, machine: str) -> str:
    facts = json.loads((run.out / machine / "facts.json").read_text())
    return str(facts["kernel"])


class TestReports:
    def test_html(self, run: Run) -> None:
        page = Elements((run.out / "report.html").read_text(), VOID)
        assert page.open == []
        assert all(machine in page.text for machine in MACHINES)

    def test_markdown(self, run: Run) -> None:
        text = (run.out / "report.md").read_text()
        assert all(exercise in text for exercise in {r["exercise"] for r in run.records})

    def test_junit(self, run: Run) -> None:
        root = ElementTree.parse(run.out / "junit.xml").getroot()
        assert len(list(root.iter("testcase"))) == len(run.records)
        assert len(list(root.iter("skipped"))) == sum(r["status"] == "skip" for r in run.records)
        assert [*root.iter("failure"), *root.iter("error")] == []

    def test_the_comparison_is_printed(self, run: Run) -> None:
        assert "Byte order" in run.answer.stdout
        assert str(run.out / "report.html") in run.answer.stdout

    @pytest.mark.parametrize("machine", GUESTS)
    def test_the_console_of_every_guest_is_kept(self, run: Run, machine: str) -> None:
        log = run.out / machine / "console.log"
        starts = {record["start"] for record in run.records if record["machine"] == machine}
        # Neither speaks until a second after its first connection: it may be gone by then.
        assert "isolab: " in log.read_text(errors="replace") or starts <= {"clone", "thaw"}


def test_a_second_run_builds_nothing(run: Run) -> None:
    words = ("run", LAB, "--only", "process,container,vm", "--out", run.home.root / "again")
    again = isolab(run.home, *words)
    assert again.code == 0, again.stderr
    assert "building" not in again.stderr
    assert "installing" not in again.stderr
