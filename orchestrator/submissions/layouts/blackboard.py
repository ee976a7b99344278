"""Blackboard's zip of an assignment: files side by side, and a receipt in text for each attempt."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orchestrator.submissions.layouts.base import Claim, FoundSubmission, Listing, Split, mostly, unused
from orchestrator.submissions.roster import Roster

_NAME = re.compile(
    r"(?P<stem>.+?)_attempt_(?P<when>[0-9]{4}(?:-[0-9]{2}){5})(?:_(?P<file>.+)|(?P<receipt>\.txt))?",
    re.DOTALL,
)
_WHO = re.compile(r"Name:\s*(?P<name>.*?)\s*\((?P<user>[^()]+)\)\s*")
_ORIGINAL, _STORED = "Original filename:", "Filename:"
_NO_ZONE = "Blackboard's times have no zone: they were taken as this host's"


class Blackboard:
    """Files ``ASSIGNMENT_USER_attempt_YYYY-MM-DD-HH-MM-SS_FILE``, and a receipt ``….txt`` of each attempt."""

    key = "blackboard"
    title = "Blackboard"
    shape = "ASSIGNMENT_USER_attempt_YYYY-MM-DD-HH-MM-SS_FILE"

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        fitting = [name for name, folder in listing.tops.items() if not folder and _NAME.fullmatch(name)]
        return mostly(list(listing.tops), fitting, chosen)

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        attempts: dict[tuple[str, str], _Attempt] = defaultdict(_Attempt)
        left = []
        for name, folder in listing.tops.items():
            match = None if folder else _NAME.fullmatch(name)
            if match is None:
                left.append(name)
                continue
            attempt = attempts[(match["stem"], match["when"])]
            if match["receipt"]:
                attempt.receipt = name
            else:
                attempt.files[name] = match["file"] or name
        receipts = listing.read([one.receipt for one in attempts.values() if one.receipt])
        ids = {one.id.casefold() for one in roster.students} if roster else set()
        found = [
            _finding(key, one, receipts.get(one.receipt, b"").decode(errors="replace"), ids)
            for key, one in attempts.items()
        ]
        words = unused(left, "not named as Blackboard names submissions")
        return Split(tuple(found), (*words, *([_NO_ZONE] if found else [])))


@dataclass
class _Attempt:
    files: dict[str, str] = field(default_factory=dict)
    receipt: str = ""


def _finding(key: tuple[str, str], attempt: _Attempt, receipt: str, ids: set[str]) -> FoundSubmission:
    stem, when = key
    lines = receipt.splitlines()
    who = next((match for line in lines[:3] if (match := _WHO.fullmatch(line.strip()))), None)
    # A receipt begins with who it is for; what a student typed comes later.
    user = who["user"] if who and stem.endswith(f"_{who['user']}") else _user(stem, ids)
    names = _original_names(lines)
    files = {stored: names.get(stored, given) for stored, given in attempt.files.items()}
    claim = Claim(user, id=user, name=who["name"] if who else "")
    source = f"{stem}_attempt_{when}"
    words = () if files else ("no files: text typed into Blackboard is not graded; hand in files",)
    return FoundSubmission((claim,), source, files, submitted=_time(when), platform_id=user, remarks=words)


def _user(stem: str, ids: set[str]) -> str:
    """Return who it is of by the files' names alone. Both assignment and user may have underscores."""
    parts = stem.split("_")
    ends = ["_".join(parts[at:]) for at in range(1, len(parts))]
    return next((end for end in ends if end.casefold() in ids), parts[-1])


def _original_names(lines: list[str]) -> Mapping[str, str]:
    """Return the names that files had when they were handed in, by those they were stored under."""
    found: dict[str, str] = {}
    original = ""
    for line in (one.strip() for one in lines):
        if line.startswith(_ORIGINAL):
            original = line.removeprefix(_ORIGINAL).strip()
        elif line.startswith(_STORED) and original:
            found[line.removeprefix(_STORED).strip()] = original
    return {stored: name for stored, name in found.items() if "/" not in name and name not in (".", "..")}


def _time(when: str) -> datetime | None:
    try:
        return datetime.strptime(when, "%Y-%m-%d-%H-%M-%S").astimezone()
    except ValueError:
        return None
