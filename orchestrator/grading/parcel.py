"""Work that travels to the host that grades it: files, parameters, and what is missing, as one short text.

Nothing in it says whose work it is. The lab, with its hidden tests, travels in another way: it is the same
for all of a class.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from orchestrator.errors import SpecError
from orchestrator.exercises.parameters import Values, with_parameters
from orchestrator.exercises.submission import Files, assembled, without_work
from orchestrator.grading.leftovers import GRADING
from orchestrator.grading.work import Work, WorkStore
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedLab

MOST_BYTES = 64 * 2**20
"""Of a parcel that is open: as much as a submission may have."""


@dataclass(frozen=True)
class Handed:
    """What was handed in for one exercise: ``files`` by name, or why it cannot run (``missing``), and the
    values of the exercise's parameters."""

    exercise: str
    files: Files
    missing: str
    values: Values


def parcel(works: Sequence[Work], store: WorkStore) -> str:
    """Return the text of these works, as letters, digits and a few signs. Raises SpecError if files are gone
    or were changed."""
    data = [
        {
            "exercise": work.exercise.name,
            "missing": work.missing,
            "values": dict(work.values),
            "files": {} if work.missing else _encoded(store.read(work.digest)),
        }
        for work in works
    ]
    return base64.b64encode(zlib.compress(json.dumps(data).encode(), 6)).decode()


def _encoded(files: Files) -> dict[str, str]:
    return {name: base64.b64encode(data).decode() for name, data in files.items()}


def opened(text: str) -> list[Handed]:
    """Return what a parcel holds. Raises SpecError for what is none, or too large."""
    try:
        inflate = zlib.decompressobj()
        raw = inflate.decompress(base64.b64decode(text, validate=True), 2 * MOST_BYTES)
        if not inflate.eof:
            raise ValueError("too large, or cut off")
        return [_handed(one) for one in json.loads(raw)]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error) as problem:
        raise SpecError(f"this is no parcel of submitted work: {problem}") from None


def _handed(data: Mapping[str, object]) -> Handed:
    exercise, missing, values, files = (data[key] for key in ("exercise", "missing", "values", "files"))
    if not (isinstance(exercise, str) and isinstance(missing, str)):
        raise TypeError("an exercise, or what is missing of it, is no text")
    if not (isinstance(values, dict) and isinstance(files, dict)):
        raise TypeError("values or files are no object")
    if not all(isinstance(one, str | int | float) for one in values.values()):
        raise TypeError("a value is neither a number nor a text")
    return Handed(exercise, {_name(name): _content(one) for name, one in files.items()}, missing, values)


def _name(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise ValueError(f"a file is called {name!r}")
    return name


def _content(text: object) -> bytes:
    if not isinstance(text, str):
        raise TypeError("a file is no text")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("a file is not in base64") from None


@contextlib.contextmanager
def with_parcel(lab: LoadedLab, text: str, cached: str) -> Iterator[LoadedLab]:
    """Provide the lab with the exercises of a parcel, each with the work on it and its hidden tests, in a
    folder that is gone afterwards; their programs go to the cache of the kind ``cached``. Raises SpecError
    for what is no parcel, or of another lab."""
    plain = {one.name: one for one in lab.exercises}
    handed = opened(text)
    if unknown := [one.exercise for one in handed if one.exercise not in plain]:
        raise SpecError(f"work on {unknown[0]!r}, which is not in the lab")
    with working_folder(GRADING) as folder:
        exercises = []
        for number, one in enumerate(handed):
            own = with_parameters(plain[one.exercise], one.values)
            target = folder / "exercises" / str(number)
            whole = without_work(own, one.missing) if one.missing else assembled(own, one.files, target)
            exercises.append(replace(whole, cached=cached))
        yield replace(lab, exercises=tuple(exercises))
