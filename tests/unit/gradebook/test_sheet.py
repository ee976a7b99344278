"""Tables of platforms: read as the standard library reads them, and written back byte for byte."""

from __future__ import annotations

import csv
from io import StringIO
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.gradebook import sheet as sheets
from orchestrator.gradebook.sheet import read_sheet

CELLS = st.text(alphabet="ab1,;\t\".'\né€ ", max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=5),
    st.sampled_from(",;\t"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252"]),
    st.booleans(),
    st.booleans(),
)
def test_any_table_is_read_and_written_back(
    tmp_path: Path,
    rows: list[list[str]],
    delimiter: str,
    end: str,
    encoding: str,
    quoted: bool,
    has_end: bool,
) -> None:
    text = StringIO(newline="")
    quoting: Literal[0, 1] = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(
        [["a", "b", "c"], *rows]
    )
    written = text.getvalue() if has_end else text.getvalue().removesuffix(end)
    (tmp_path / "t.csv").write_bytes(written.encode(encoding))
    sheet = read_sheet(tmp_path / "t.csv")
    assert sheet.filled({}) == (tmp_path / "t.csv").read_bytes()
    full = [row for row in rows if any(row)]
    assert [[cell.text for cell in row] for row in sheet.rows[1:]] == full
    values = {(row, column): "1.25" for row in range(1, len(sheet.rows)) for column in (0, 2)}
    (tmp_path / "t.csv").write_bytes(sheet.filled(values))
    again = read_sheet(tmp_path / "t.csv")
    assert [[cell.text for cell in row] for row in again.rows[1:]] == [
        ["1.25", row[1], "1.25"] for row in full
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60) | st.text(alphabet='a",\n\r;', max_size=20).map(str.encode))
def test_any_bytes_are_a_table_or_an_error_for_people(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "t.csv").write_bytes(raw)
    try:
        found = read_sheet(tmp_path / "t.csv").filled({})
    except SpecError:
        return
    assert found == raw


def test_a_decimal_comma_among_commas_is_quoted(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n,x\n")
    assert read_sheet(tmp_path / "t.csv").filled({(1, 0): "1,25"}) == b'a,b\n"1,25",x\n'


def test_a_file_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_BYTES", 2**20)
    (tmp_path / "t.csv").write_bytes(b"a" * (2**20 + 1))
    with pytest.raises(SpecError, match="larger than 1 MiB"):
        read_sheet(tmp_path / "t.csv")
