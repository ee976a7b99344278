"""Write the handouts of a class into its folder, for nobody but its owner to read."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from orchestrator.classes.handout import commands, csv
from orchestrator.classes.handout.entrance import Entrance
from orchestrator.classes.handout.html import handout_html
from orchestrator.classes.handout.markdown import handout_markdown
from orchestrator.classes.handout.sheet import handout_of
from orchestrator.classes.model import LoadedClass, Seat
from orchestrator.errors import SpecError, Unavailable
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder
from orchestrator.submissions.file_names import file_name

TABLE = "handouts.csv"
_OWNER_ONLY = 0o700
_SEPARATOR = "; "


@dataclass(frozen=True)
class Written:
    """What is in the folder now. ``pages`` are HTML files by seat; ``stray`` are pages of those who have left
    the class."""

    table: Path
    pages: Mapping[str, Path]
    stray: tuple[str, ...]


def write(
    found: LoadedClass, entrances: Sequence[tuple[Seat, Entrance]], folder: Path, course: bytes, now: datetime
) -> Written:
    """Write the pages of these seats and the table, as of this moment; the others' stay as they are.

    ``course`` is the secret key that students' values are derived from. Raises SpecError if ``folder`` has a
    table that is not ours, and Unavailable if it is another user's or cannot be written to.
    """
    with _said(folder):
        _make(folder)
        kept = _kept(folder / TABLE)
        pages = {}
        rows: list[csv.Row] = []
        for seat, entrance in entrances:
            handout = handout_of(found, seat, entrance, course, now)
            page = folder / f"{file_name(seat.name)}.html"
            write_atomically(page, handout_html(handout).encode(errors="replace"))
            text = handout_markdown(handout)
            write_atomically(page.with_suffix(".md"), text.encode(errors="replace"))
            pages[seat.name] = page
            rows += _rows(seat, entrance, page.name)
        order = [member.student.id for seat in found.seats for member in seat.members]
        write_atomically(folder / TABLE, csv.render(rows, kept, order).encode(errors="replace"))
        return Written(folder / TABLE, pages, _stray(found, folder))


def _rows(seat: Seat, entrance: Entrance, page: str) -> Iterator[csv.Row]:
    for member in seat.members:
        yield csv.Row(
            student=member.student,
            login=commands.ssh(entrance, entrance.logins[0]),
            fingerprints=_SEPARATOR.join(entrance.host_keys),
            link=entrance.link,
            certificate=entrance.certificate,
            page=page,
        )


def _kept(table: Path) -> dict[str, list[str]]:
    """Return the rows of the table that is there. Raises SpecError, OSError."""
    try:
        data = table.read_bytes()
    except FileNotFoundError:
        return {}
    return csv.read(data.decode("utf-8-sig", errors="replace"), str(table))


def _make(folder: Path) -> None:
    """Make the folder if need be; close one that is there to all others. Raises OSError, Unavailable."""
    make_folder(folder, _OWNER_ONLY, exist_ok=True)
    about = folder.lstat()
    if about.st_uid != os.getuid() or not stat.S_ISDIR(about.st_mode):
        raise Unavailable(
            f"{folder} is a link, or another user's: handouts hold what lets students in",
            hint="remove it, or choose another folder with --out",
        )
    folder.chmod(_OWNER_ONLY)


def _stray(found: LoadedClass, folder: Path) -> tuple[str, ...]:
    known = {f"{file_name(seat.name)}.html" for seat in found.seats}
    return tuple(sorted(path.name for path in folder.glob("*.html") if path.name not in known))


@contextlib.contextmanager
def _said(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with files into Unavailable, with what to do."""
    try:
        yield
    except FileExistsError:
        raise SpecError(
            f"{folder} is no folder", hint="move it away, or choose another place with --out"
        ) from None
    except OSError as problem:
        raise Unavailable(
            f"cannot write handouts to {folder}: {problem.strerror} ({problem.filename})",
            hint="make it yours and free space, or choose another place with --out",
        ) from None
