"""A folder of grades, as a lecturer finds it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Folder:
    """What ``isolab grade`` wrote; nothing of it need be there yet."""

    path: Path

    def grades(self) -> bytes:
        return (self.path / "grades.csv").read_bytes()

    def rows(self) -> list[dict[str, str]]:
        return list(csv.DictReader(io.StringIO(self.grades().decode("utf-8-sig"), newline="")))

    def row(self, student: str, exercise: str) -> dict[str, str]:
        [found] = [row for row in self.rows() if (row["id"], row["exercise"]) == (student, exercise)]
        return found

    def receipts(self) -> list[bytes]:
        """The whole lines of its receipts."""
        path = self.path / "receipts.jsonl"
        return path.read_bytes().split(b"\n")[:-1] if path.exists() else []

    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "records.jsonl").read_text().splitlines()]

    def files(self) -> set[str]:
        """All that is in it, by name."""
        return {str(path.relative_to(self.path)) for path in self.path.rglob("*")}

    def append(self, name: str, data: bytes) -> None:
        with (self.path / name).open("ab") as file:
            file.write(data)
