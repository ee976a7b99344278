"""The verdicts of a class on disk: each is written and sealed as it falls, and is found again by what it
depends on. A verdict counts only with its receipt: whatever else is in the file is graded again."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator import __version__
from orchestrator.grading.heads import Heads
from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.inputs import Inputs
from orchestrator.grading.queue import Same, Unit
from orchestrator.grading.receipts import Graded, Receipt, Receipts, digest_of_record
from orchestrator.host.cache import write_atomically
from orchestrator.host.interrupts import held_back
from orchestrator.paths import state_dir
from orchestrator.record import RECORDS, Record, Status


@dataclass(frozen=True)
class Verdicted:
    """A verdict on one machine, what it depends on, and its line in ``records.jsonl``."""

    record: Record
    inputs: Inputs
    line: str


class GradeStore:
    """The records and receipts of one folder of grades, open for writing; one process at a time."""

    def __init__(self, folder: Path, key: Ed25519PrivateKey) -> None:
        """Raises SpecError if the receipts are damaged, of another key, or open elsewhere; OSError."""
        self.folder = folder
        self.receipts = Receipts.open(folder, key, Heads(state_dir()))
        self._verdicts = sealed_verdicts(folder, self.receipts.current)
        self._same: dict[Same, Record] = {
            (place.exercise, place.machine, one.inputs): one.record
            for place, one in self._verdicts.items()
            if one.record.status is not Status.ERROR
        }
        self._file = (folder / RECORDS).open("ab")
        if self._file.tell() and not (folder / RECORDS).read_bytes().endswith(b"\n"):
            self._file.write(b"\n")  # ends what a killed isolab began

    @property
    def verdicts(self) -> Mapping[Graded, Verdicted]:
        """The verdicts that count, those of earlier commands included."""
        return self._verdicts

    def find(self, same: Same) -> Record | None:
        """Return the record of a verdict with the same inputs, whoever it was given to. One without a result
        is no verdict."""
        return self._same.get(same)

    def add(self, graded: Graded, unit: Unit, record: Record) -> None:
        """Write and seal a verdict; returns when both are on disk; interrupts wait. Raises OSError."""
        there = self._verdicts.get(graded)
        if there is not None and there.record is record and there.inputs == unit.inputs:
            return  # as found, without writing it out to compare
        own = replace(record, student=graded.student)
        line = own.to_json()
        if there is not None and (there.line, there.inputs) == (line, unit.inputs):
            return
        with held_back():
            self._file.write(line.encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            self.receipts.append(_receipt(graded, unit.inputs, line, own.host))
            self._verdicts[graded] = Verdicted(own, unit.inputs, line)
        if record.status is not Status.ERROR:
            self._same[unit.same] = own

    def identities(self, hosts: Collection[str]) -> dict[str, list[MachineIdentity]]:
        """Return what machines, by their names, were on these hosts when they graded what counts."""
        found: dict[str, list[MachineIdentity]] = {}
        for receipt in self.receipts.current.values():
            one = MachineIdentity(receipt.template, receipt.qemu)
            if receipt.host in hosts and one not in found.setdefault(receipt.machine, []):
                found[receipt.machine].append(one)
        return found

    def forget(self) -> None:
        """Find no verdict again, so that all is graded anew; those on disk stay until they are replaced."""
        self._same.clear()

    def finish(self, order: Iterable[Graded]) -> None:
        """Rewrite ``records.jsonl`` with the verdicts that count: these first, in this order, then those of
        others who were graded here before. Raises OSError."""
        places = dict.fromkeys([*(one for one in order if one in self._verdicts), *self._verdicts])
        text = "".join(f"{self._verdicts[place].line}\n" for place in places)
        write_atomically(self.folder / RECORDS, text.encode(), mode=0o644)
        self._file.close()
        self._file = (self.folder / RECORDS).open("ab")

    def close(self) -> None:
        """Close the files; others may open them then."""
        self._file.close()
        self.receipts.close()

    def __enter__(self) -> GradeStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _receipt(graded: Graded, inputs: Inputs, line: str, host: str) -> Receipt:
    return Receipt(
        student=graded.student,
        exercise=graded.exercise,
        machine=graded.machine,
        attempt=graded.attempt,
        submission=inputs.submission,
        public=inputs.public,
        hidden=inputs.hidden,
        template=inputs.template,
        qemu=inputs.qemu,
        isolab=__version__,
        result=digest_of_record(line),
        time=datetime.now(UTC),
        host=host,
    )


def sealed_verdicts(folder: Path, receipts: Mapping[Graded, Receipt]) -> dict[Graded, Verdicted]:
    """Return the verdicts of a folder whose records are there as they were sealed."""
    lines: dict[str, str] = {}
    with suppress(FileNotFoundError):
        for raw in (folder / RECORDS).read_bytes().split(b"\n"):
            lines[digest_of_record(raw)] = raw.decode(errors="replace")
    found = {}
    for place, receipt in receipts.items():
        line = lines.get(receipt.result)
        if line is not None:
            found[place] = Verdicted(Record.from_json(line), Inputs.of_receipt(receipt), line)
    return found
