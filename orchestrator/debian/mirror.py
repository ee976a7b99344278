"""Choose a Debian mirror: the environment's, else the one in the host's apt configuration.

A host that is not Debian has no Debian mirror in its apt sources; there the default mirror comes
from the distribution data that python-apt ships (package python-apt-common).
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path

from orchestrator.errors import Unavailable

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SOURCES = Path("/etc/apt")
_TEMPLATE = Path("/usr/share/python-apt/templates/Debian.info")


@functools.cache
def mirror() -> str:
    """Base URL of the Debian archive, without a trailing slash. Raises Unavailable."""
    found = os.environ.get("ISOLAB_MIRROR") or from_apt(_SOURCES) or _from_template(_TEMPLATE)
    if not found:
        raise Unavailable(
            "no Debian mirror is configured on this host",
            hint="set ISOLAB_MIRROR to the base URL of a mirror (ending in /debian)",
        )
    return found.rstrip("/")


def from_apt(folder: Path) -> str:
    """The first Debian mirror in apt's sources (sources.list(5), both styles), or ""."""
    candidates = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]
    for path in candidates:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for url in _deb822(text) if path.suffix == ".sources" else _one_line(text):
            if re.fullmatch(r"https?://\S+/debian/?", url):
                return str(url)
    return ""


def _one_line(text: str) -> list[str]:
    return re.findall(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)", text, re.MULTILINE)


def _deb822(text: str) -> list[str]:
    """The URIs of every stanza that is not disabled."""
    from debian.deb822 import Deb822

    stanzas = list(Deb822.iter_paragraphs(text.splitlines()))
    enabled = [s for s in stanzas if s.get("Enabled", "yes").lower() not in ("no", "false", "off", "0")]
    return [uri for stanza in enabled for uri in stanza.get("URIs", "").split()]


def _from_template(path: Path) -> str:
    if not path.is_file():
        return ""
    match = re.search(r"^BaseURI:\s*(https?://\S+/debian)/?$", path.read_text(), re.MULTILINE)
    return match[1] if match else ""
