"""Verify a folder of grades against its receipts: signatures, the chain, and that results and receipts
belong together. ``verified`` is pure; ``verify`` reads the folder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from orchestrator.errors import SpecError
from orchestrator.formatting import counted, printable
from orchestrator.grading.about import ABOUT, read_about
from orchestrator.grading.heads import Heads, digest
from orchestrator.grading.keys import PUBLIC_FILE, fingerprint, is_signed, public_pem, read_public
from orchestrator.grading.receipts import CUT_HINT, RECEIPTS, Content, Line, Receipt, digest_of_record, read
from orchestrator.record import RECORDS


@dataclass(frozen=True)
class Verification:
    """What was found. ``problems`` name line, student and exercise; empty if everything is as it was sealed.
    ``left`` says in the same way what is no problem in a folder that is not finished: what an isolab that was
    killed, or still grades, has not sealed, or sealed anew. None of it counts. ``finished`` is whether the
    folder says that it is.

    ``receipts``, ``superseded`` (those of work that was graded again) and ``records`` are counts. ``head`` is
    the SHA-256 of the last line, hexadecimal ("" without any): whoever has kept it can tell later whether
    anything up to there was replaced. ``key`` is the fingerprint of the public key it was verified with.
    """

    problems: tuple[str, ...]
    receipts: int
    superseded: int
    records: int
    head: str
    key: str
    left: tuple[str, ...] = ()
    finished: bool = True


_Whose = tuple[str, str, str]
"""Student, exercise and machine."""


class _Result(NamedTuple):
    """A result, of which neither side knows more of the other's: whose, of what, where, and its digest."""

    student: str
    exercise: str
    machine: str
    digest: str

    @property
    def words(self) -> str:
        return printable(f"{self.exercise} of {self.student} on {self.machine}")


def verify(folder: Path, key: Ed25519PublicKey | None = None, heads: Heads | None = None) -> Verification:
    """Verify the receipts and records in ``folder``, with a public key that was kept elsewhere. Without one,
    with the key beside them, which whoever can replace the receipts can replace as well. With ``heads``, that
    nothing which was sealed on this host is cut off at the end.

    Raises SpecError if there are no receipts, or no key, or ``grading.json`` is damaged.
    """
    receipts, records = _content(folder / RECEIPTS), _content(folder / RECORDS)
    if receipts is None:
        raise SpecError(
            f"no receipts in {folder} (no {RECEIPTS})", hint="name a folder that `isolab grade` wrote into"
        )
    problems = []
    if key is None:
        key = read_public(folder / PUBLIC_FILE)
    elif (beside := _content(folder / PUBLIC_FILE)) is None:
        problems.append(f"{PUBLIC_FILE} is missing: nobody else can verify; grading again writes it")
    elif beside != public_pem(key):
        problems.append(f"{PUBLIC_FILE} is not the key that these receipts were verified with")
    if records is None:
        problems.append(f"{RECORDS} is missing")
    missing = heads.problem(receipts.split(b"\n")[:-1]) if heads else ""
    if missing:
        problems.append(f"{RECEIPTS}: {missing}: {CUT_HINT}")
    # Whoever got the receipts and records alone has no such file.
    finished = not (folder / ABOUT).exists() or read_about(folder).finished
    found = verified(receipts, records or b"", key, finished=finished, cut=bool(missing))
    return replace(found, problems=(*problems, *found.problems))


def verified(
    receipts: bytes, records: bytes, key: Ed25519PublicKey, *, finished: bool = True, cut: bool = False
) -> Verification:
    """Verify the contents of ``receipts.jsonl`` and ``records.jsonl``. ``finished``: the class is graded, so
    that nothing may be left. ``cut``: receipts are known to be missing at the end."""
    content = read(receipts)
    there, current, part = content.readable, content.current, content.rest
    problems = [*_signature_problems(content, key), *_chain_problems(content)]
    left = []
    if part:
        words = f"{RECEIPTS} ends in a part of a line ({counted(len(part), 'byte')})"
        if cut:
            problems.append(f"{words}, which was a whole receipt")
        else:
            hint = "if isolab was killed while it graded, grade again, which drops the part and goes on"
            left.append(f"{words}: {hint}")
    results, broken = _results(records)
    extra, missing = _unmatched(there, list(current.values()), results)
    left += [*broken, *(words for place, words in extra if place not in missing)]
    problems += [words for place, words in extra if place in missing]
    told = {place for place, _ in extra}
    problems += [words for place, words in missing.items() if place not in told]
    return Verification(
        problems=(*problems, *left) if finished else tuple(problems),
        receipts=len(content.lines),
        superseded=len(there) - len(current),
        records=len(results) + len(broken),
        head=digest(content.lines[-1][0]) if content.lines else "",
        key=fingerprint(key),
        left=() if finished else tuple(left),
        finished=finished,
    )


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise SpecError(f"cannot read {path}: {problem.strerror}", hint="check its permissions") from None


def _place(number: int, line: Line) -> str:
    return f"{RECEIPTS}:{number} ({line.receipt.graded})"


def _signature_problems(content: Content, key: Ed25519PublicKey) -> Iterator[str]:
    numbered = enumerate((line for _, line in content.lines), start=1)
    there = [(number, line) for number, line in numbered if isinstance(line, Line)]
    bad = [(number, line) for number, line in there if not is_signed(key, line.signature, line.signed)]
    if len(bad) == len(there) > 1:
        yield f"{RECEIPTS}: none of its lines is signed by this key ({fingerprint(key)[:16]}…)"
        return
    for number, line in bad:
        yield f"{_place(number, line)}: its signature is not of this text, or not by this key: it was changed"


def _chain_problems(content: Content) -> Iterator[str]:
    """Report lines that cannot be read, and those that do not follow the line before them."""
    previous = ""
    for number, (text, line) in enumerate(content.lines, start=1):
        if isinstance(line, str):
            yield f"{RECEIPTS}:{number}: {line}"
        elif line.number != number or line.previous != previous:
            before = "the first one" if line.number == 1 else f"number {line.number}"
            yield (
                f"{_place(number, line)}: was sealed as {before}, after another line than the one before it: "
                "a line was changed, removed, added or moved"
            )
        previous = digest(text)


def _results(records: bytes) -> tuple[dict[int, _Result], list[str]]:
    """The results in ``records.jsonl`` by line, and problems of those that cannot be read."""
    found, problems = {}, []
    for number, raw in enumerate(records.split(b"\n"), start=1):
        if not raw:
            continue
        try:
            data = json.loads(raw)
            names = (str(data["student"]), str(data["exercise"]), str(data["machine"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            problems.append(f"{RECORDS}:{number}: not a record")
        else:
            found[number] = _Result(*names, digest_of_record(raw))
    return found, problems


def _unmatched(
    lines: Sequence[Line], current: Sequence[Line], results: Mapping[int, _Result]
) -> tuple[list[tuple[_Whose, str]], dict[_Whose, str]]:
    """Return the results without their receipts, and the receipts without their results, in words."""
    open_ = Counter(_sealed(line.receipt) for line in current)
    extra = []
    for number, result in results.items():
        if open_[result]:
            open_[result] -= 1
        else:
            words = f"{RECORDS}:{number} ({result.words}): {_why(result, lines, current)}"
            extra.append((result[:3], words))
    missing = {}
    for line in current:
        result = _sealed(line.receipt)
        if open_[result]:
            open_[result] -= 1
            missing[result[:3]] = f"{_place(line.number, line)}: its result is not in {RECORDS}"
    return extra, missing


def _why(result: _Result, lines: Sequence[Line], current: Sequence[Line]) -> str:
    """Why no receipt that counts is left for a result."""
    if any(_sealed(line.receipt) == result for line in current):
        return "is there more than once"
    mine = [line for line in current if _sealed(line.receipt)[:3] == result[:3]]
    if not mine:
        return "has no receipt"
    numbers = ", ".join(str(line.number) for line in mine)
    if any(_sealed(line.receipt) == result for line in lines):
        return f"is an older result: what counts is the receipt in line {numbers}"
    return f"is not the result that was sealed (receipt in line {numbers})"


def _sealed(receipt: Receipt) -> _Result:
    return _Result(receipt.student, receipt.exercise, receipt.machine, receipt.result)
