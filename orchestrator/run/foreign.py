"""Scratch folders of other state folders: whose they are, and whether their owner still exists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator import ownership
from orchestrator.errors import SpecError
from orchestrator.host import tempdirs
from orchestrator.paths import STATE_NOTE, scratch_base, scratch_dir


@dataclass(frozen=True)
class ForeignScratch:
    """The scratch folder of another state folder. ``state`` is that folder's path as its isolab saw it,
    perhaps in a container; "" if not known."""

    folder: Path
    state: str

    @property
    def token(self) -> str:
        return self.folder.name

    @property
    def owned(self) -> bool:
        """Whether its state folder is there, with its token."""
        return bool(self.state) and ownership.token_in(Path(self.state)) == self.token

    @property
    def empty(self) -> bool:
        return all(path.name == STATE_NOTE for path in self.folder.iterdir())

    def describe(self) -> str:
        """Return what is known of it, and what to do."""
        owner = "of an unknown state folder"
        if self.state:
            owner = f"of the state folder {self.state}, which is not here (removed, or in a container)"
        return (
            f"left alone: {self.folder}, {owner}; "
            f"if no isolab uses it any more, remove it with `isolab gc --foreign {self.token}`"
        )


def elsewhere() -> list[ForeignScratch]:
    """Return the other scratch folders of this user, by token, empty ones included."""
    mine = scratch_dir()
    found = [path for path in scratch_base().iterdir() if ownership.is_token(path.name) and path != mine]
    return [ForeignScratch(path, _state(path)) for path in sorted(found) if path.is_dir()]


def of_older_isolab() -> list[Path]:
    """Return the scratch folders of an isolab that had no tokens. Only journals know whose they are."""
    return sorted(path for path in scratch_base().iterdir() if tempdirs.RUN_FOLDER.fullmatch(path.name))


def chosen(token: str) -> ForeignScratch:
    """Return the scratch folder with this token. Raises SpecError if there is none that may be removed."""
    if token == scratch_dir().name:
        raise SpecError(
            f"{token} is the token of this state folder", hint="run `isolab gc` without --foreign"
        )
    found = next((scratch for scratch in elsewhere() if scratch.token == token), None)
    if found is None:
        known = ", ".join(scratch.token for scratch in elsewhere()) or "none"
        raise SpecError(f"no scratch folder has the token {token!r}", hint=f"other tokens here: {known}")
    if found.owned:
        raise SpecError(
            f"{found.folder} belongs to the state folder {found.state}, which is in use",
            hint=f"use that one: ISOLAB_STATE={found.state} isolab gc",
        )
    busy = tempdirs.held(found.folder)
    if busy:
        raise SpecError(f"a running isolab works in {busy[0]}", hint="end it first")
    return found


def _state(folder: Path) -> str:
    try:
        return (folder / STATE_NOTE).read_text().strip()
    except (OSError, ValueError):
        return ""
