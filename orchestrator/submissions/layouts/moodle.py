"""Moodle's zip of all submissions of an assignment (mod_assign), with and without folders.

Sites change what is before the number, so only the number and what follows are recognised.
"""

from __future__ import annotations

import re
from collections import defaultdict

from orchestrator.submissions.layouts.base import Claim, FoundSubmission, Listing, Split, mostly, unused
from orchestrator.submissions.roster import Roster

_NAME = re.compile(
    r"(?P<who>.+?)(?:_(?P<number>[0-9]+))?_assignsubmission_(?P<kind>[a-z]+)(?:_(?P<file>.*))?", re.DOTALL
)
_TEXT = "onlinetext"


class Moodle:
    """A folder ``NAME_NUMBER_assignsubmission_file`` for each (before 4.1 with another ``_``), or files
    whose names start like that. Of a team, its name and number; without names, ``Participant_NUMBER``."""

    key = "moodle"
    title = "Moodle"
    shape = "NAME_NUMBER_assignsubmission_file…"

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        fitting = [name for name in listing.tops if _NAME.fullmatch(name)]
        return mostly(list(listing.tops), fitting, chosen)

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        files: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
        sources: dict[tuple[str, str], str] = {}
        typed, left = set(), []
        for name, folder in listing.tops.items():
            match = _NAME.fullmatch(name)
            if match is None or (not folder and not match["file"]):
                left.append(name)
                continue
            key = (match["who"], match["number"] or "")
            sources.setdefault(key, name if folder else name[: match.start("file") - 1])
            if match["kind"] == _TEXT:
                typed.add(key)
            # With folders, what follows the kind is nothing or one more underscore.
            files[key] |= listing.under(name) if folder else {name: match["file"]}
        blind = _shared_names(files)
        found = [_finding(key, files[key], sources[key], key in typed, key[0] in blind) for key in files]
        return Split(tuple(found), unused(left, "not named as Moodle names submissions"))


def _finding(
    key: tuple[str, str], files: dict[str, str], source: str, typed: bool, blind: bool
) -> FoundSubmission:
    who, number = key
    unmatched = f"moodle-{number}" if number else who
    claim = Claim(unmatched, name="" if blind and number else who, number=number)
    words = ("text typed into Moodle is not graded; hand in files",) if typed else ()
    return FoundSubmission((claim,), source, files, platform_id=number, remarks=words)


def _shared_names(keys: dict[tuple[str, str], dict[str, str]]) -> set[str]:
    """Return names that all submissions share: "Participant" in some language, when names are hidden."""
    names = {who for who, _ in keys}
    return names if len(names) == 1 and len(keys) > 1 else set()
