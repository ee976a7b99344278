"""Our own layout: a folder or an archive for each student, named by the id."""

from __future__ import annotations

from orchestrator.submissions import archive
from orchestrator.submissions.layouts.base import Claim, Finding, Listing, Split, is_archive, unused
from orchestrator.submissions.roster import Roster


class Own:
    """``ID/…``, or ``ID.zip``; a team's may be named by its group."""

    key = "folders"
    title = "a folder for each student"
    shape = "ID/… or ID.zip"

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        return any(folder or is_archive(name) for name, folder in listing.tops.items())

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        found, left = [], []
        for name, folder in listing.tops.items():
            if not folder and not is_archive(name):
                left.append(name)
                continue
            who = name if folder else archive.stem(name)
            files = listing.under(name)
            found.append(Finding((Claim(who, id=who),), name, files, nothing=not files))
        notes = unused(left, "neither a student's folder nor an archive")
        known = (
            {one.casefold() for who in roster.students for one in (who.id, who.group)} if roster else set()
        )
        if known.isdisjoint(one.claims[0].id.casefold() for one in found) and roster:
            notes = (*notes, "no folder is called by an id or group of the roster; is this another layout?")
        return Split(tuple(found), notes)
