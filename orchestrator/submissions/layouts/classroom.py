"""Repositories of GitHub Classroom, cloned or downloaded into one folder."""

from __future__ import annotations

from orchestrator.submissions.layouts.base import Claim, FoundSubmission, Listing, Split, unused
from orchestrator.submissions.roster import Roster


class Classroom:
    """Folders ``ASSIGNMENT-USER``. It takes repositories in them, or user names of the roster, to tell them
    from folders that are called by ids."""

    key = "classroom"
    title = "GitHub Classroom"
    shape = "ASSIGNMENT-USER/…, cloned, or with user names on the roster"

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        folders = _folders(listing)
        if not folders or not any(_beginnings(folders)):
            return False
        ids = {one.id.casefold() for one in roster.students} if roster else set()
        if chosen:
            return True
        if any(name.casefold() in ids for name in folders):
            return False
        known = bool(_known(_assignment(folders, roster), folders, roster))
        return known or (len(folders) > 1 and any(name in listing.repositories for name in folders))

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        folders = _folders(listing)
        begin = _assignment(folders, roster)
        found = []
        for name in folders:
            user = name.removeprefix(begin)
            files = listing.under(name)
            found.append(
                FoundSubmission((Claim(user, github=user),), name, files, platform_id=user, nothing=not files)
            )
        left = [name for name, folder in listing.tops.items() if not folder]
        return Split(tuple(found), unused(left, "not a repository's folder"))


def _folders(listing: Listing) -> list[str]:
    return [name for name, folder in listing.tops.items() if folder]


def _assignment(folders: list[str], roster: Roster | None) -> str:
    """Return the beginning that all names share, with its hyphen: the one after which most are user names of
    the roster, else the longest."""
    found = _beginnings(folders)
    return max(found, key=lambda one: (len(_known(one, folders, roster)), len(one)), default="")


def _beginnings(folders: list[str]) -> list[str]:
    first = min(folders, key=len, default="")
    # A whole name is no beginning of its own.
    places = [at for at in range(1, len(first) - 1) if first[at] == "-"]
    return [first[: at + 1] for at in places if all(name.startswith(first[: at + 1]) for name in folders)]


def _known(begin: str, folders: list[str], roster: Roster | None) -> list[str]:
    users = {name.casefold() for name in roster.github.values()} if roster else set()
    return [name for name in folders if name.removeprefix(begin).casefold() in users]
