"""The home folders of a class's seats that there are: on this host as files, on others as these said last."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from orchestrator.classes.hosts.snapshots import said
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import HOMES, class_state, home_image


@dataclass(frozen=True)
class HomeFile:
    """A home folder: how large it may become, in bytes, when it was last written to, and ``where`` it is, for
    people: a file of this host, or of another."""

    size: int
    written: datetime
    where: str


@dataclass
class HomeFiles:
    """The home folders of a class, as they are when this is made."""

    found: LoadedClass
    _on_hosts: dict[tuple[str, str], HomeFile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raises Unavailable."""
        if self.found.hosts is None:
            return
        for host, answer in said(self.found).items():
            for one in answer.homes:
                written = datetime.fromtimestamp(min(one.written, 2**32), UTC)
                place = (one.seat, one.machine)
                self._on_hosts[place] = HomeFile(
                    one.size, written, f"{one.machine}.img of {one.seat} on {host}"
                )

    def get(self, seat: str, machine: str) -> HomeFile | None:
        """Return the home folder of a seat's machine; None if there is none."""
        if self.found.hosts is not None:
            return self._on_hosts.get((seat, machine))
        image = home_image(self.found, seat, machine)
        try:
            about = image.stat()
        except OSError:
            return None
        return HomeFile(about.st_size, datetime.fromtimestamp(about.st_mtime, UTC), str(image))

    def seats(self) -> set[str]:
        """Return the seats that have a home folder."""
        if self.found.hosts is not None:
            return {seat for seat, _ in self._on_hosts}
        homes = class_state(self.found) / HOMES
        return (
            {folder.name for folder in homes.iterdir() if any(folder.iterdir())} if homes.is_dir() else set()
        )
