"""What a machine takes beside attackers, to what it takes alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import factories
import pytest

from orchestrator.bench import neighbour
from orchestrator.bench.measure import BenchResult
from orchestrator.bench.neighbour import neighbour_rows
from orchestrator.errors import LabError
from orchestrator.grading.about import About, write_about
from orchestrator.progress import SilentProgress
from orchestrator.record import Status


class Graded:
    """Stands for `isolab grade`: writes what it leaves, and notes how many were graded at once."""

    def __init__(self, points: float = 1.0) -> None:
        self.points = points
        self.classes: list[list[str]] = []
        self.seconds: dict[str, float] = {}

    def command(self, words: list[str]) -> float:
        handed_in, out = Path(words[2]), Path(words[4])
        names = sorted(path.name for path in handed_in.iterdir())
        self.classes.append(names)
        out.mkdir()
        write_about(out, About("lab.yaml", {f"p-{name}": [name] for name in names}))
        plain = factories.record("./answer", machine="arm64", status=Status.PASS, max_points=1.0)
        with (out / "records.jsonl").open("w") as file:
            for number, name in enumerate(names):
                run = f"{len(self.classes)}-{number}"
                one = replace(
                    plain, student=f"p-{name}", run=run, points=self.points if len(name) == 1 else 0.0
                )
                file.write(one.to_json() + "\n")
                self.seconds[f"isolab-{run}-arm64"] = 2.2 if len(names) > 4 else 2.0
        return 1.0


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "s"))


def measured(graded: Graded, monkeypatch: pytest.MonkeyPatch) -> BenchResult:
    @contextmanager
    def sampled() -> Iterator[dict[str, float]]:
        yield graded.seconds

    monkeypatch.setattr(neighbour, "_sampled", sampled)
    [row] = neighbour_rows(graded.command, SilentProgress(), rounds=3)
    return row


def test_the_ratio_is_of_the_same_work_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    graded = Graded()
    row = measured(graded, monkeypatch)
    assert (round(row.value, 6), row.unit, row.met) == (1.1, "ratio", row.value <= 1.1)
    assert [len(names) for names in graded.classes] == [4, 8] * 3
    assert graded.classes[1][:4] == ["a-fork-bomb", "b", "c-memory-flood", "d"]


def test_what_got_no_points_measures_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabError, match="a neighbour did not get all points"):
        measured(Graded(0.5), monkeypatch)
