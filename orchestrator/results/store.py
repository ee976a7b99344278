"""Store of a run: ``runs/<id>/`` with the lab, the records and the reports."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import string
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO

from orchestrator.errors import LabError, SpecError, Unavailable
from orchestrator.exercises.student_view import sealed
from orchestrator.labfile.load import LAB_FILE, LoadedLab
from orchestrator.labfile.models import Exercise
from orchestrator.labfile.yaml_document import survey
from orchestrator.record import RECORDS, Record, read_records
from orchestrator.results.comparison import Table, compare
from orchestrator.results.run_state import STATE_FILE, RunState, write_state
from orchestrator.results.snapshot import about_run, exercises_in, keep

REPORTS = ("report.html", "report.md", "junit.xml")
"""Written when a run ends: a folder without the first holds no finished run."""
_ANOTHER = "choose another folder with --out"
_SALT = string.ascii_lowercase + string.digits
LEAST_FREE = 300 * 2**20
"""Bytes that must be free where a run writes; it needs far less, but a full disk breaks others."""


def new_run_id() -> str:
    """Return a new run id: its start time, and six random letters or digits, as many may start in a second
    (one in two thousand millions is the same; paths of sockets leave no room for more)."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{''.join(secrets.choice(_SALT) for _ in range(6))}"


class RunStore:
    """The folder of one run, locked while it is written. Each record is written before the next is awaited.

    Until ``finished`` is called the run counts as not finished, whatever happens. ``replaced``: a finished
    run was there before, whose records and reports are gone.
    """

    def __init__(self, folder: Path, lab: LoadedLab) -> None:
        """Raises SpecError for a folder that holds something else, an unfinished run, or one that another
        isolab writes; Unavailable when the folder cannot be written or its disk is full."""
        self.folder = folder.absolute()
        self._lab = lab
        self._expected: Mapping[str, Sequence[str]] = {}
        self._with_hidden = {exercise.name for exercise in lab.exercises if exercise.hidden}
        try:
            self._require_folder()
            # The lock comes first: what another isolab writes now is no finished run yet.
            there = (self.folder / RECORDS).exists()
            with self._locked("r+") if there else contextlib.nullcontext():
                self.replaced = self._require_own(lab)
            self.folder.mkdir(parents=True, exist_ok=True)
            require_space(self.folder)
            self._file = self._locked("a")
            os.truncate(self.folder / RECORDS, 0)
            for name in REPORTS:
                (self.folder / name).unlink(missing_ok=True)
            keep(lab, self.folder)
            write_state(self.folder, RunState.RUNNING, {})
        except OSError as problem:
            raise Unavailable(
                f"cannot write to {folder}: {problem.strerror}", hint="choose another folder with --out"
            ) from None

    def _require_folder(self) -> None:
        """Raises SpecError for a path that is, or leads through, a file."""
        for path in (self.folder, *self.folder.parents):
            if path.exists() and not path.is_dir():
                raise SpecError(f"{path} is a file, not a folder", hint=_ANOTHER)

    def _locked(self, mode: str) -> IO[str]:
        """Open the records for us alone. Raises SpecError if another isolab has them open."""
        file = (self.folder / RECORDS).open(mode, encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise SpecError(f"another isolab is writing its run to {self.folder}", hint=_ANOTHER) from None
        return file

    def _require_own(self, lab: LoadedLab) -> bool:
        """Return whether a finished run is there. Raises SpecError for anything else that a run would
        replace: an unfinished run, a lab, other files."""
        there = self.folder / LAB_FILE
        run = (self.folder / RECORDS).exists()
        if there.exists() and (there.samefile(lab.path) or not run):
            raise SpecError(
                f"{self.folder} is a lab's folder: the run's {LAB_FILE} would replace it", hint=_ANOTHER
            )
        if run and not (self.folder / REPORTS[0]).exists():
            raise SpecError(
                f"{self.folder} holds an unfinished run: records, but no {REPORTS[0]}",
                hint=f"remove it if nobody needs it, or {_ANOTHER}",
            )
        mine = () if run else (*REPORTS, exercises_in(self.folder).name, STATE_FILE, *lab.lab.machines)
        for name in mine:
            if (self.folder / name).exists():
                raise SpecError(
                    f"the run would write to {self.folder / name}, which no run made", hint=_ANOTHER
                )
        return run

    def __enter__(self) -> RunStore:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._file.close()

    def add(self, record: Record) -> None:
        """Write a record. One of hidden tests that does not say what its student may see shows nothing."""
        if record.student_view is None and record.exercise in self._with_hidden:
            record = replace(record, student_view=sealed(record))
        self._file.write(record.to_json() + "\n")
        self._file.flush()

    def expect(self, results: Mapping[str, Sequence[str]]) -> None:
        """Note which exercises each machine is to run. Raises OSError."""
        self._expected = results
        write_state(self.folder, RunState.RUNNING, results)

    def finished(self) -> None:
        """Note that the run came to its end. Raises OSError."""
        write_state(self.folder, RunState.FINISHED, self._expected)

    def interrupted(self) -> None:
        """Note that it did not. Raises OSError."""
        write_state(self.folder, RunState.INTERRUPTED, self._expected)

    def comparison(self) -> Table:
        """Compare the records written so far."""
        self._file.flush()
        records = list(read_records(self.folder / RECORDS))
        machines = list(self._lab.lab.machines)
        return compare(records, _specs(self._lab), machines, about_run(self.folder, records))


def require_space(folder: Path) -> None:
    """Check that the disk of ``folder`` has enough space. Raises Unavailable."""
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE:
        raise Unavailable(
            f"not enough disk space for {folder}: {free // 2**20} MiB free, {LEAST_FREE // 2**20} MiB needed",
            hint="free space with `isolab images prune`, or use another disk with --out, ISOLAB_CACHE "
            "and ISOLAB_SCRATCH",
        )


def load_run(folder: Path) -> list[Record]:
    """Return the records of an earlier run. Raises SpecError."""
    path = folder / RECORDS if folder.is_dir() else folder
    try:
        return list(read_records(path))
    except FileNotFoundError:
        raise SpecError(
            f"{folder}: not a run (no {RECORDS} in it)",
            hint="runs are stored in runs/; the latest one is `last`: isolab report last",
        ) from None
    except ValueError as problem:
        raise SpecError(
            f"{path}: invalid records: {problem}",
            hint="a newer isolab may have written them; otherwise restore the line, or delete it",
        ) from None


def _specs(lab: LoadedLab) -> Mapping[str, Exercise]:
    return {exercise.name: exercise.public.spec for exercise in lab.exercises}


def machine_order(folder: Path, records: Sequence[Record]) -> list[str]:
    """Return a run's machines in the order of its lab; those the lab does not name come last."""
    lab = folder / "lab.yaml" if folder.is_dir() else folder.parent / "lab.yaml"
    listed: list[str] = []
    # A run without its lab is still usable.
    with contextlib.suppress(OSError, LabError, KeyError, TypeError, ValueError):
        listed = list(survey(lab.read_text(encoding="utf-8"), str(lab)).data["machines"])
    appeared = dict.fromkeys(record.machine for record in records)
    return [
        *(name for name in listed if name in appeared),
        *(name for name in appeared if name not in listed),
    ]
