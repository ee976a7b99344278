"""A table of a learning platform, to be filled in: all of it that is not filled in keeps its bytes.

The standard library reads such files but does not say where in the file a cell is; written back with it,
quotes, line ends and the byte order mark would change.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.errors import Problem, SpecError

MAX_BYTES = 32 * 2**20
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_DELIMITERS = ",;\t"
_ENDS = re.compile(r"\r\n|\n|\r")
_NUMBER = re.compile(r"\d{1,9}(?:[.,]\d{1,9})?")

At = tuple[int, int]
"""Where a cell is: its row (0 is the header) and its column."""


@dataclass(frozen=True)
class SheetCell:
    """A cell's text, without the quotes around it; ``start`` and ``end`` are where it is in the file's
    text."""

    text: str
    start: int
    end: int

    @property
    def number(self) -> float | None:
        """Its value if it is a number, with a decimal point or comma, and 0 or more."""
        found = _NUMBER.fullmatch(self.text.strip())
        return float(found[0].replace(",", ".")) if found else None


@dataclass(frozen=True)
class Sheet:
    """A file of comma-separated values as it is. ``lines`` are the lines that its rows start on, from 1."""

    name: str
    text: str
    encoding: str
    mark: bytes
    delimiter: str
    rows: tuple[tuple[SheetCell, ...], ...]
    lines: tuple[int, ...]

    @property
    def header(self) -> tuple[str, ...]:
        return tuple(cell.text.strip() for cell in self.rows[0])

    def cell(self, row: int, column: int) -> SheetCell:
        """Return a cell; an empty one where a spreadsheet left out the last cells of a row."""
        cells = self.rows[row]
        return cells[column] if column < len(cells) else SheetCell("", 0, 0)

    def column(self, place: int) -> list[SheetCell]:
        """Return a column's cells, without the header."""
        return [self.cell(row, place) for row in range(1, len(self.rows))]

    def filled(self, values: Mapping[At, str]) -> bytes:
        """Return the file with numbers in some cells. Raises SpecError for a cell that is not there."""
        parts, done = [], 0
        for (row, column), value in sorted(values.items()):
            if column >= len(self.rows[row]):
                raise _mistake(self.name, self.lines[row], f"the row has no cell for {self.header[column]!r}")
            cell = self.rows[row][column]
            quoted = self.text[cell.start : cell.start + 1] == '"' or self.delimiter in value
            parts += [self.text[done : cell.start], f'"{value}"' if quoted else value]
            done = cell.end
        return self.mark + "".join([*parts, self.text[done:]]).encode(self.encoding)


def read_sheet(path: Path) -> Sheet:
    """Read a file of comma-, semicolon- or tab-separated values. Raises SpecError with the line of a
    mistake."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(f"cannot read {path}: {error.strerror}", hint="name the file as downloaded") from None
    if len(raw) > MAX_BYTES:
        raise SpecError(f"{path} is larger than {MAX_BYTES // 2**20} MiB", hint="name the file as downloaded")
    text, encoding, mark = _decoded(raw, str(path))
    header = next(iter(_ENDS.split(text, maxsplit=1)))
    delimiter = max(_DELIMITERS, key=re.sub(r'"[^"]*"', "", header).count)
    rows = [(line, row) for line, row in _rows(text, delimiter, str(path)) if any(cell.text for cell in row)]
    if not rows:
        raise SpecError(f"{path} is empty", hint="download it again")
    wide = len(rows[0][1])
    for line, row in rows:
        if len(row) > wide:
            raise _mistake(str(path), line, f"the row has {len(row)} cells, the header {wide}")
    lines, cells = zip(*rows, strict=True)
    return Sheet(path.name, text, encoding, mark, delimiter, cells, lines)


def _decoded(raw: bytes, file: str) -> tuple[str, str, bytes]:
    """The text, its encoding and its byte order mark: what no other encoding fits is a spreadsheet's 8
    bits."""
    for mark, encoding in _MARKS.items():
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(encoding), encoding, mark
            except UnicodeDecodeError:
                raise _mistake(file, 1, f"it begins like {encoding.upper()}, but is not") from None
    for encoding in ("utf-8", "cp1252"):
        try:
            return raw.decode(encoding), encoding, b""
        except UnicodeDecodeError:
            continue
    return raw.decode("latin-1"), "latin-1", b""


def _rows(text: str, delimiter: str, file: str) -> Iterator[tuple[int, tuple[SheetCell, ...]]]:
    """Yield the rows with the lines they start on."""
    plain = re.compile(rf"[^{delimiter}\r\n]*")
    quoted = re.compile(r'"((?:[^"]|"")*)"')
    cells: list[SheetCell] = []
    at, line, first = 0, 1, 1
    while at < len(text) or cells:
        is_quoted = text.startswith('"', at)
        found = (quoted if is_quoted else plain).match(text, at)
        if found is None:
            raise _mistake(file, line, "a quoted cell has no end")
        cells.append(SheetCell(found[1].replace('""', '"') if is_quoted else found[0], at, found.end()))
        line, at = line + len(_ENDS.findall(found[0])), found.end()
        if text.startswith(delimiter, at):
            at += 1
            continue
        end = _ENDS.match(text, at)
        if end is None and at < len(text):
            raise _mistake(file, line, "something follows the closing quote of a cell")
        yield first, tuple(cells)
        line, at, cells = line + 1, end.end() if end else at, []
        first = line


def _mistake(file: str, line: int, message: str) -> SpecError:
    problem = Problem(file, line, 1, message)
    return SpecError(
        f"{file} is not a table that can be filled in", problems=(problem,), hint="download it again"
    )
