"""What browsers load from us: our own scripts and styles, and xterm.js from Debian's package.

xterm.js is fetched from the Debian mirror when the server first starts, verified as every package is, and
then by the digests below; it stays in the cache. Browsers get it from us alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archive, members
from orchestrator.errors import ImageError
from orchestrator.host import cache as store

SUITE, ARCH, PACKAGE = "trixie", "amd64", "node-xterm"
_SHARE = "usr/share/nodejs"


@dataclass(frozen=True)
class Pinned:
    """A file of the package: where it is there, and its SHA-256."""

    path: str
    sha256: str


XTERM: Mapping[str, Pinned] = {
    "xterm.js": Pinned(
        f"{_SHARE}/xterm/lib/xterm.js", "c5a6d9e150b8618be0b94331cf0d748d789ae26f3af82d9f975588f3b85cc7a5"
    ),
    "xterm.css": Pinned(
        f"{_SHARE}/xterm/css/xterm.css", "832f3f2c603b43ad4351ff04970150cc7a873014276db126a6065c6dd81e4872"
    ),
    "xterm-addon-fit.js": Pinned(
        f"{_SHARE}/xterm-addon-fit/lib/xterm-addon-fit.js",
        "10f3194c5f17c1786fb7d5db865c1ec8539b6736a318063fd38bdaaf7c46848f",
    ),
}
"""xterm.js 5.3.0 (MIT), by the names browsers ask for."""
OWN = ("icon.svg", "style.css", "page.js", "terminal.js", "student.js", "board.js")
_TYPES = {".svg": "image/svg+xml", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}


@dataclass(frozen=True)
class Asset:
    """A file as it is served. ``tag`` names its content."""

    content: bytes
    media_type: str
    tag: str


def all_assets(xterm: Path) -> dict[str, Asset]:
    """Return everything that is served, by name; ``xterm`` is what ``xterm_folder`` returned."""
    found = {name: _asset(name, (xterm / name).read_bytes()) for name in XTERM}
    return found | {name: _asset(name, _own(name)) for name in OWN}


def xterm_folder(deadline: Deadline) -> Path:
    """Return the folder of the cache with xterm.js, fetched if it is not there. Raises ImageError if the
    mirror has another version, Unavailable, TimedOut."""

    def make(folder: Path) -> dict[str, object]:
        archive = Archive(SUITE, deadline)
        package = archive.resolve(ARCH, [PACKAGE])[PACKAGE]
        deb = archive.fetch([package])[PACKAGE]
        names = {pinned.path: name for name, pinned in XTERM.items()}
        for member in members(deb, list(names)):
            name = names[member.path]
            found = hashlib.sha256(member.data).hexdigest()
            if found != XTERM[name].sha256:
                raise ImageError(
                    f"Debian {SUITE} has another {PACKAGE} ({package.version}) than isolab was tested with:"
                    f" {name} has SHA-256 {found}",
                    hint="take a newer isolab, or set ISOLAB_MIRROR to a mirror with the version of 2025",
                )
            (folder / name).write_bytes(member.data)
        return {"package": PACKAGE, "version": package.version}

    return store.make("web", _key(), make, deadline)


def part(name: str) -> str:
    """Return a template of the pages."""
    return files(__package__).joinpath("templates", name).read_text(encoding="utf-8")


def _key() -> str:
    return store.digest(*(pinned.sha256 for pinned in XTERM.values()))


@cache
def _own(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()


def _asset(name: str, content: bytes) -> Asset:
    return Asset(content, _TYPES[Path(name).suffix], hashlib.sha256(content).hexdigest()[:16])
