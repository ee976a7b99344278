"""Our own layout: a folder or an archive for each student, named by the id."""

from __future__ import annotations

from orchestrator.submissions import archive
from orchestrator.submissions.layouts.base import Claim, FoundSubmission, Listing, Split, is_archive, unused
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
            # Some call folders by names, or by both.
            claim = Claim(who, id=who, name=who if roster else "")
            found.append(FoundSubmission((claim,), name, files, nothing=not files))
        return Split(tuple(found), unused(left, "neither a student's folder nor an archive"))
