"""All layouts, and the choice of the one that a class's submissions have."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.errors import SpecError
from orchestrator.labfile.suggest import did_you_mean, either
from orchestrator.submissions.layouts.base import Layout, Listing, some
from orchestrator.submissions.layouts.blackboard import Blackboard
from orchestrator.submissions.layouts.canvas import Canvas
from orchestrator.submissions.layouts.classroom import Classroom
from orchestrator.submissions.layouts.gradescope import Gradescope
from orchestrator.submissions.layouts.moodle import Moodle
from orchestrator.submissions.layouts.own import Own
from orchestrator.submissions.roster import Roster

OWN = Own()
PLATFORMS: tuple[Layout, ...] = (Moodle(), Canvas(), Gradescope(), Classroom(), Blackboard())
LAYOUTS: tuple[Layout, ...] = (*PLATFORMS, OWN)
KEYS = tuple(layout.key for layout in LAYOUTS)
_MOST_WRAPPED = 3
"""How many folders with nothing beside them may be around everything."""


def recognised(
    listing: Listing, roster: Roster | None, name: str, wanted: str = ""
) -> tuple[Layout, Listing]:
    """Return the layout of a listing, and the listing without the folders around everything. ``name`` is what
    the archive or folder is called, ``wanted`` a layout's key that somebody chose. Raises SpecError if no
    layout fits, or several."""
    if wanted and wanted not in KEYS:
        raise SpecError(
            f"unknown layout {wanted!r}", hint=did_you_mean(wanted, KEYS) or f"layouts: {either(KEYS)}"
        )
    ids = {one.casefold() for who in roster.students for one in (who.id, who.group)} if roster else set()
    layouts = [layout for layout in PLATFORMS if wanted in ("", layout.key)]
    for inner in _unwrapped(listing, ids):
        fitting = [layout for layout in layouts if layout.fits(inner, roster, chosen=bool(wanted))]
        if len(fitting) == 1:
            return fitting[0], inner
        if fitting:
            both = " and ".join(layout.title for layout in fitting)
            raise SpecError(
                f"{name} looks like {both}: {_seen(inner)}", hint=f"choose with --layout: {either(KEYS)}"
            )
    if not wanted or wanted == OWN.key:
        inner = _without_wrapper(listing, ids, name)
        if OWN.fits(inner, roster):
            return OWN, inner
    asked = [layout for layout in LAYOUTS if not wanted or layout.key == wanted]
    shapes = "; ".join(f"{layout.title}: {layout.shape}" for layout in asked)
    raise SpecError(
        f"{name} has no layout that isolab knows: {_seen(listing)}", hint=f"recognised are {shapes}"
    )


def _unwrapped(listing: Listing, ids: Collection[str]) -> list[Listing]:
    """Return the listing, and those inside of folders with nothing beside them. A student's own folder is not
    looked into: what is in it could say that it is another's."""
    found = [listing]
    while len(found) <= _MOST_WRAPPED and list(found[-1].tops.values()) == [True]:
        (top,) = found[-1].tops
        if top.casefold() in ids:
            break
        found.append(found[-1].inside(top))
    return found


def _without_wrapper(listing: Listing, ids: Collection[str], name: str) -> Listing:
    """Return what is inside of a folder around all students' folders. It is one if it is called like the
    archive, or if the roster has not its name, but one of those in it."""
    if list(listing.tops.values()) != [True]:
        return listing
    (top,) = listing.tops
    inner = listing.inside(top)
    below = [one for one in inner.tops if one.casefold() in ids]
    wraps = top.casefold() not in ids and (bool(below) or top == name)
    return inner if wraps and any(inner.tops.values()) else listing


def _seen(listing: Listing) -> str:
    folders = [name for name, folder in listing.tops.items() if folder]
    files = [name for name, folder in listing.tops.items() if not folder]
    words = [f"{what} {some(names)}" for what, names in (("folders", folders), ("files", files)) if names]
    return f"there are {' and '.join(words)}" if words else "there is nothing in it"
