"""The receipt of a hand-in: a text that a student keeps, signed with the course's key.

Everything before the line ``signature:`` is signed (Ed25519, RFC 8032), byte for byte; the first line keeps
the signature from meaning anything elsewhere. ``isolab grade --verify FILE`` verifies one; without isolab::

    sed '/^signature: /,$d' receipt.txt > text
    sed -n 's/^signature: //p' receipt.txt | base64 -d > signature
    openssl pkeyutl -verify -pubin -inkey receipts.pub -rawin -in text -sigfile signature
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from orchestrator.classes.work.recognised import FIRST_LINE
from orchestrator.formatting import printable
from orchestrator.grading.digests import digest_of_digests
from orchestrator.grading.keys import fingerprint, is_signed

RECEIPT = "receipt.txt"
FILES = "files"
"""The folder of what was handed in, beside its receipt."""
MOST_BYTES = 2**20
_SIGNATURE = "signature: "
_FILE = re.compile(r"  ([0-9a-f]{64})  (.+)")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


@dataclass(frozen=True)
class HandInFacts:
    """What a receipt says. ``students`` are ids; ``files`` maps paths, ``EXERCISE/FILE``, to the SHA-256 of
    each, hexadecimal; ``missing`` are words on what was expected and is not there; ``late`` is how late in
    words, "" on time. ``time`` has a time zone."""

    class_name: str
    lab: str
    seat: str
    number: int
    students: tuple[str, ...]
    by: str
    time: datetime
    files: Mapping[str, str]
    missing: tuple[str, ...] = ()
    late: str = ""

    @property
    def digest(self) -> str:
        """One SHA-256 of all files: of the list that ``sha256sum`` prints for them, sorted by name."""
        return digest_of_digests(self.files)


def receipt(facts: HandInFacts, key: Ed25519PrivateKey) -> str:
    """Return the signed text. Pure."""
    text = "".join(f"{line}\n" for line in _lines(facts, fingerprint(key.public_key())))
    signature = base64.b64encode(key.sign(text.encode())).decode()
    return f"{text}{_SIGNATURE}{signature}\n"


def _lines(facts: HandInFacts, key: str) -> Iterator[str]:
    local = facts.time.astimezone()
    yield from (
        FIRST_LINE,
        f"class: {facts.class_name}",
        f"lab: {facts.lab}",
        f"seat: {facts.seat}",
        f"students: {', '.join(printable(one) for one in facts.students)}",
        f"number: {facts.number}",
        f"time: {facts.time.astimezone(UTC).isoformat(timespec='seconds')} "
        f"({local.isoformat(timespec='seconds')} at the server)",
        f"in time: {f'no, {facts.late}' if facts.late else 'yes'}",
        f"handed in by: {printable(facts.by)}",
        f"digest: {facts.digest}",
        "files:",
    )
    yield from (f"  {digest}  {_escaped(name)}" for name, digest in sorted(facts.files.items()))
    if facts.missing:
        yield "expected, but not there:"
        yield from (f"  - {printable(words)}" for words in facts.missing)
    yield f"key: {key}"


@dataclass(frozen=True)
class Verified:
    """What was found of a receipt: ``problems`` in words, none if all is as it was signed; ``facts`` are its
    lines by name, ``files`` as in ``HandInFacts``. ``compared``: the files beside it were compared, too."""

    problems: tuple[str, ...]
    facts: Mapping[str, str]
    files: Mapping[str, str]
    compared: bool = False


def verify_receipt(text: str, key: Ed25519PublicKey) -> Verified:
    """Verify a receipt's signature, and that its digest is that of its files. Pure."""
    body, mark, rest = text.partition(f"\n{_SIGNATURE}")
    body += "\n"
    facts = dict(
        line.split(": ", 1) for line in body.split("\n") if ": " in line and not line.startswith(" ")
    )
    files = {_unescaped(one[2]): one[1] for line in body.split("\n") if (one := _FILE.fullmatch(line))}
    problems = []
    try:
        signature = base64.b64decode(rest.strip(), validate=True)
    except binascii.Error:
        signature = b""
    if not mark or not body.startswith(f"{FIRST_LINE}\n"):
        problems.append("this is no receipt of a hand-in, or not the whole of it")
    elif not is_signed(key, signature, body.encode(errors="surrogateescape")):
        problems.append(f"it is not signed by this key ({fingerprint(key)[:16]}…), or it was changed")
    elif facts.get("digest") != digest_of_digests(files):
        problems.append("its digest is not that of its files")
    return Verified(tuple(problems), facts, files)


def changed_files(folder: Path, files: Mapping[str, str], digests: Mapping[str, str]) -> Sequence[str]:
    """Return in words how the files of a hand-in, whose ``digests`` are as now, differ from a receipt's."""
    gone = [f"{name}: it is not in {folder}" for name in sorted({*files} - {*digests})]
    new = [f"{name}: it is in {folder}, and not in the receipt" for name in sorted({*digests} - {*files})]
    both = sorted(name for name in {*files} & {*digests} if files[name] != digests[name])
    return [*gone, *new, *(f"{name}: it is not what was handed in" for name in both)]


def _escaped(name: str) -> str:
    r"""Return a path as a receipt has it: printable, other characters and backslashes as ``\xHH`` for each of
    their bytes."""
    return "".join(char if char.isprintable() and char != "\\" else _bytes(char) for char in name)


def _bytes(char: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in char.encode(errors="surrogateescape"))


def _unescaped(text: str) -> str:
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode(errors="surrogateescape"))
    return raw.decode(errors="surrogateescape")
