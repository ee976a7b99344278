"""Canvas's zip of an assignment's submissions: files side by side, whose names say whose they are."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from orchestrator.submissions.layouts.base import Claim, FoundSubmission, Listing, Split, mostly, some, unused
from orchestrator.submissions.roster import Roster

_NAMED = r"(?P<name>[^\s.\-]+?)(?P<late>_LATE)?_(?P<number>[0-9]+)"
_ANONYMOUS = r"(?P<late>LATE_)?anon_(?P<number>[A-Za-z0-9]+)"
_FILE = r"_(?:[0-9]+_(?P<file>.+)|(?P<typed>(?:text|link)\.html))"
_NAMES = (re.compile(_ANONYMOUS + _FILE, re.DOTALL), re.compile(_NAMED + _FILE, re.DOTALL))
_NUMBERS = re.compile(r"[0-9]+_")
_NOT_CANVAS = re.compile(r"_assignsubmission_|_attempt_[0-9]{4}-")


class Canvas:
    """Files ``NAME_USER_ATTACHMENT_FILE``, with ``_LATE`` after the name, or ``anon_ID_…`` without names. Of
    a group, its name and the number of one of its members."""

    key = "canvas"
    title = "Canvas"
    shape = "NAME_NUMBER_NUMBER_FILE"

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        fitting = [name for name, folder in listing.tops.items() if not folder and _match(name)]
        return mostly(list(listing.tops), fitting, chosen)

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        matches = {name: _match(name) for name, folder in listing.tops.items() if not folder}
        grouped: dict[tuple[str, str], dict[str, re.Match[str]]] = defaultdict(dict)
        for name, match in matches.items():
            if match:
                grouped[(match.groupdict().get("name") or "", match["number"])][name] = match
        found = tuple(_finding(name, number, files) for (name, number), files in grouped.items())
        left = [name for name in listing.tops if not matches.get(name)]
        notes = [*unused(left, "not named as Canvas names submissions"), *_doubtful(matches.values())]
        return Split(found, tuple(notes))


def _doubtful(matches: Iterable[re.Match[str] | None]) -> Iterator[str]:
    """Yield a note on files of which Canvas's names do not say for certain whose they are: who is called
    ``x_1`` can look like user 1."""
    doubtful = [match.string for match in matches if match and _NUMBERS.match(match["file"] or "")]
    if doubtful:
        yield f"whose these are can be read in two ways: {some(doubtful)}; the first number was taken"


def _match(name: str) -> re.Match[str] | None:
    if _NOT_CANVAS.search(name):
        return None
    return next((match for one in _NAMES if (match := one.fullmatch(name))), None)


def _finding(name: str, number: str, files: dict[str, re.Match[str]]) -> FoundSubmission:
    typed = any(match["typed"] for match in files.values())
    return FoundSubmission(
        (Claim(f"canvas-{number}", name=name, number=number, squeezed=True),),
        next(iter(files)),
        {path: match["file"] or match["typed"] for path, match in files.items()},
        late=any(match["late"] for match in files.values()),
        platform_id=number,
        remarks=("text or a link entered in Canvas is not graded; hand in files",) if typed else (),
    )
