r"""Receipts: each verdict sealed, so that whoever disputes a grade can show, or is shown, what was graded.

``receipts.jsonl`` has a line for each verdict, in the order in which they fell::

    {"receipt":{…},"signature":"BASE64"}

The text of the object ``receipt`` is what is signed (Ed25519, RFC 8032), byte for byte as it stands in the
line. It is canonical JSON: ASCII only, other characters as \u escapes in lower case, keys sorted, no blanks;
values are texts and whole numbers. ``number`` counts the lines from 1, and ``previous`` is the SHA-256 of the
line before it without its end ("" in the first): none can be removed, added or moved between others.

Work that is graded again gets a new receipt. The last one of the same student, exercise, machine and attempt
counts; those before it are superseded, and stay.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.errors import SpecError
from orchestrator.formatting import counted, printable
from orchestrator.grading.heads import Head, Heads, digest
from orchestrator.grading.keys import (
    PUBLIC_FILE,
    SIGNATURE_BYTES,
    fingerprint,
    is_signed,
    public_pem,
    read_public,
)
from orchestrator.host.cache import write_atomically

RECEIPTS = "receipts.jsonl"
"""The file's name, in the folder of the grades."""
FORMAT = "isolab receipt 1"
"""The first thing that is signed, so that a signature of this key means nothing anywhere else."""
_LINE = re.compile(rb'\{"receipt":(\{.*\}),"signature":"([A-Za-z0-9+/]+={0,2})"\}')
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_OPEN_HINT = (
    "`isolab grade --verify` says what is wrong; restore the file, or grade into another folder (--out)"
)
CUT_HINT = "restore the file with all its lines, or grade into another folder (--out)"


class Graded(NamedTuple):
    """What a verdict is about: the last receipt of it counts."""

    student: str
    exercise: str
    machine: str
    attempt: int

    def __str__(self) -> str:
        later = f", attempt {self.attempt}" if self.attempt > 1 else ""
        return printable(f"{self.exercise} of {self.student} on {self.machine}{later}")


@dataclass(frozen=True)
class Receipt:
    """What one verdict was made of. All digests are SHA-256, hexadecimal.

    ``student`` is the id or pseudonym that the record has. ``submission`` is the digest of the files taken,
    ``public`` of the exercise's public files, ``hidden`` of its hidden tests ("" without any), see
    ``orchestrator.grading.digests``. ``template`` is the key of the template the machine was cloned from,
    ``qemu`` what identifies the QEMU ("" for both where there is none). ``isolab`` is the version.
    ``result`` is the digest of the record's line in ``records.jsonl``, without its end. ``time`` is when
    the verdict fell; it has a time zone. ``host`` is the host that graded, whose template and QEMU these are:
    in a cluster what the controller calls it ("", and not in the text, where no host did, and in receipts of
    isolab before it knew clusters).
    """

    student: str
    exercise: str
    machine: str
    attempt: int
    submission: str
    public: str
    hidden: str
    template: str
    qemu: str
    isolab: str
    result: str
    time: datetime
    host: str = ""

    @property
    def graded(self) -> Graded:
        """What it is about."""
        return Graded(self.student, self.exercise, self.machine, self.attempt)


@dataclass(frozen=True)
class Line:
    """One line of ``receipts.jsonl``, parsed. ``signed`` is the text that ``signature`` signs."""

    receipt: Receipt
    number: int
    previous: str
    signed: bytes
    signature: bytes


def digest_of_record(line: str | bytes) -> str:
    """Return the ``result`` of a record, from its line in ``records.jsonl``."""
    raw = line.encode() if isinstance(line, str) else line
    return digest(raw.removesuffix(b"\n"))


def sealed(receipt: Receipt, number: int, previous: str, key: Ed25519PrivateKey) -> bytes:
    """Return the line of a receipt, without its end."""
    signed = _text(receipt, number, previous)
    signature = base64.b64encode(key.sign(signed))
    return b'{"receipt":' + signed + b',"signature":"' + signature + b'"}'


def parsed(raw: bytes) -> Line:
    """Parse a line. Raises ValueError, in words, for anything that ``sealed`` would not have written; whose
    signature it is, and what came before, is not looked at."""
    match = _LINE.fullmatch(raw)
    if match is None:
        raise ValueError("not a receipt with its signature")
    try:
        data = json.loads(match[1])
        form, number, previous = data.pop("format"), data.pop("number"), data.pop("previous")
        receipt = Receipt(**{**data, "time": datetime.fromisoformat(data["time"])})
        signature = base64.b64decode(match[2], validate=True)
        same = _text(receipt, number, previous) == match[1] and base64.b64encode(signature) == match[2]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ValueError("not a receipt: keys are missing, unknown, or have unexpected values") from None
    if form != FORMAT:
        raise ValueError(f"not in the format {FORMAT!r}; a newer isolab may have written it")
    if not same or not _is_typed(receipt, number, previous) or len(signature) != SIGNATURE_BYTES:
        raise ValueError("not as isolab writes it")
    return Line(receipt, number, previous, match[1], signature)


class Content(NamedTuple):
    """What ``receipts.jsonl`` holds: each line as it is, parsed or in words what is wrong with it, and the
    ``rest``: a part of a line at the end."""

    lines: list[tuple[bytes, Line | str]]
    rest: bytes

    @property
    def readable(self) -> list[Line]:
        """The lines that are receipts."""
        return [line for _, line in self.lines if isinstance(line, Line)]

    @property
    def current(self) -> dict[Graded, Line]:
        """The last line of each verdict."""
        return {line.receipt.graded: line for line in self.readable}


def read(content: bytes) -> Content:
    """Read the content of ``receipts.jsonl``; neither signatures nor the chain are looked at."""
    *whole, rest = content.split(b"\n")
    return Content([(raw, _parsed_or_why(raw)) for raw in whole], rest)


def _parsed_or_why(raw: bytes) -> Line | str:
    try:
        return parsed(raw)
    except ValueError as problem:
        return str(problem)


def _text(receipt: Receipt, number: int, previous: str) -> bytes:
    values = {field.name: getattr(receipt, field.name) for field in fields(receipt)}
    time = receipt.time.astimezone(UTC).isoformat(timespec="microseconds")
    data: dict[str, Any] = {**values, "format": FORMAT, "number": number, "previous": previous, "time": time}
    if not receipt.host:
        del data["host"]
    written = {key: _HALF_PAIR.sub("\ufffd", v) if isinstance(v, str) else v for key, v in data.items()}
    return json.dumps(written, sort_keys=True, separators=(",", ":")).encode()


def _is_typed(receipt: Receipt, number: object, previous: object) -> bool:
    texts = [getattr(receipt, field.name) for field in fields(receipt) if field.type == "str"]
    numbers = (receipt.attempt, number)
    return all(isinstance(text, str) for text in (*texts, previous)) and all(
        type(one) is int for one in numbers
    )


class Receipts:
    """The receipts of one folder, open for appending; one process at a time may have them open.

    ``current`` are the receipts that count. ``dropped`` says in words what was dropped at the end of the
    file because isolab was killed while it wrote; "" if nothing was.
    """

    def __init__(self, folder: Path, key: Ed25519PrivateKey, heads: Heads | None) -> None:
        self.dropped = ""
        self._path = folder / RECEIPTS
        self._key = key
        self._heads = heads
        self._lock = threading.Lock()
        self._current: dict[Graded, Receipt] = {}
        self._number, self._previous, self._first = 0, "", ""
        self._file = _locked(self._path)
        try:
            _publish(folder / PUBLIC_FILE, key)
            self._resume()
        except BaseException:
            self.close()
            raise

    @classmethod
    def open(cls, folder: Path, key: Ed25519PrivateKey, heads: Heads | None = None) -> Receipts:
        """Open a folder's receipts, creating the file and ``receipts.pub`` if there are none. With ``heads``,
        this host remembers how far it has got.

        Raises SpecError if they are damaged, signed by another key, cut off at the end, or open in another
        process; OSError.
        """
        return cls(folder, key, heads)

    @property
    def current(self) -> Mapping[Graded, Receipt]:
        """The receipts that count, by what they are about."""
        with self._lock:
            return dict(self._current)

    def append(self, receipt: Receipt) -> None:
        """Seal a verdict; returns when its receipt is on disk. Safe in threads. Raises OSError."""
        with self._lock:
            number = self._number + 1
            line = sealed(receipt, number, self._previous, self._key)
            end = os.lseek(self._file, 0, os.SEEK_END)
            try:
                _write(self._file, line + b"\n")
                os.fsync(self._file)
            except BaseException:
                os.ftruncate(self._file, end)  # a part of a line would spoil the next one
                raise
            self._took(parsed(line), line)
            if self._heads:
                self._heads.keep(self._first, Head(self._number, self._previous))

    def close(self) -> None:
        """Close the file; others may open it then."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def __enter__(self) -> Receipts:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _resume(self) -> None:
        """Read what is there, and drop a part of a line at the end."""
        lines, rest = read(self._path.read_bytes())
        last = None
        for place, (raw, line) in enumerate(lines, start=1):
            if isinstance(line, str):
                raise SpecError(f"{self._path}:{place}: {line}", hint=_OPEN_HINT)
            if line.number != place or line.previous != self._previous:
                raise SpecError(f"{self._path}:{place}: does not follow the line before it", hint=_OPEN_HINT)
            self._took(line, raw)
            last = line
        if last and not is_signed(self._key.public_key(), last.signature, last.signed):
            raise SpecError(
                f"{self._path}:{last.number}: not signed by the key of this state folder", hint=_OPEN_HINT
            )
        if self._heads and (missing := self._heads.problem([raw for raw, _ in lines])):
            raise SpecError(f"{self._path}: {missing}", hint=CUT_HINT)
        if rest:
            os.ftruncate(self._file, os.lseek(self._file, 0, os.SEEK_END) - len(rest))
        _sync(self._file, self._path.parent)
        if rest:
            self.dropped = (
                f"{self._path} ended in a part of a receipt ({counted(len(rest), 'byte')}), which isolab was "
                "killed while writing; it was dropped"
            )

    def _took(self, line: Line, raw: bytes) -> None:
        self._number, self._previous = line.number, digest(raw)
        self._first = self._first or self._previous
        self._current[line.receipt.graded] = line.receipt


def _locked(path: Path) -> int:
    """Open the file for this process alone. Raises SpecError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise SpecError(
            f"another isolab is grading into {path.parent}",
            hint="wait until it has ended, or name another folder with --out",
        ) from None
    except BaseException:
        os.close(file)
        raise
    return file


def _sync(file: int, folder: Path) -> None:
    """Bring a file to the disk, and that it is in its folder."""
    os.fsync(file)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(file: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


def _publish(path: Path, key: Ed25519PrivateKey) -> None:
    """Write the public key beside the receipts. Raises SpecError if there is another one."""
    if not path.exists():
        write_atomically(path, public_pem(key.public_key()))
        path.chmod(0o644)
    there, ours = fingerprint(read_public(path)), fingerprint(key.public_key())
    if there != ours:
        raise SpecError(
            f"the receipts in {path.parent} were signed by another key: {path} is {there[:16]}…, the one of "
            f"this state folder {ours[:16]}…",
            hint="set ISOLAB_STATE to the state folder that graded there before, or name another folder with "
            "--out",
        )
