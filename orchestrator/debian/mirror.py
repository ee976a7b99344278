"""Choose a Debian mirror: the environment's, else the one in the host's apt configuration.

A host that is not Debian has no Debian mirror in its apt sources; there the default mirror comes
from the distribution data that python-apt ships (package python-apt-common).
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import urllib.parse
import urllib.request
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import Unavailable
from orchestrator.host import process

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
            hint="set ISOLAB_MIRROR to the base URL of a mirror (ending in /debian), such as one of "
            "https://www.debian.org/mirror/list; or install python-apt-common, which names one",
        )
    return found.rstrip("/")


def from_apt(folder: Path) -> str:
    """The first Debian mirror in apt's sources (sources.list(5), both styles), or "".

    ``mirror+file:`` names a file with a list of mirrors (apt-transport-mirror(1)).
    """
    candidates = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*"))]
    for path in candidates:
        if path.suffix not in {".list", ".sources"} or not path.is_file():
            continue
        text = path.read_text(errors="replace")
        for url in _deb822(text) if path.suffix == ".sources" else _one_line(text):
            for each in _listed(url):
                if re.fullmatch(r"https?://\S+/debian(?:/\d{8}T\d{6}Z)?/?", each):
                    return each
    return ""


def _listed(url: str) -> list[str]:
    if not url.startswith("mirror+file:"):
        return [url]
    path = Path(re.sub("^mirror[+]file:/*", "/", url))
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.split()[0] for line in lines if line.strip() and not line.lstrip().startswith("#")]


def _one_line(text: str) -> list[str]:
    """The URIs of binary packages' lines with Debian's component: others have folders named debian, too."""
    lines = re.findall(r"^[ \t]*deb[ \t]+(?:\[[^\]]*\][ \t]*)?(\S+)[ \t]+\S+(.*)$", text, re.MULTILINE)
    return [url for url, components in lines if "main" in components.split("#")[0].split()]


def _deb822(text: str) -> list[str]:
    """The URIs of every stanza of binary packages that is not disabled."""
    from debian.deb822 import Deb822

    stanzas = list(Deb822.iter_paragraphs(text.splitlines()))
    enabled = [s for s in stanzas if s.get("Enabled", "yes").lower() not in ("no", "false", "off", "0")]
    fit = [
        s
        for s in enabled
        if "deb" in s.get("Types", "deb").split() and "main" in s.get("Components", "main").split()
    ]
    return [uri for stanza in fit for uri in stanza.get("URIs", "").split()]


def proxy_of(url: str) -> str:
    """Return apt's own proxy for a file on the mirror, or "" for none.

    The environment's proxies come first, and are left to urllib; apt's are for archives only.
    """
    scheme, host = urllib.parse.urlsplit(url).scheme, urllib.parse.urlsplit(url).hostname or ""
    if scheme in urllib.request.getproxies():
        return ""
    try:
        if not url.startswith(f"{mirror()}/"):
            return ""
    except Unavailable:
        return ""
    known = _apt_proxies()
    found = known.get(f"Acquire::{scheme}::Proxy::{host}") or known.get(f"Acquire::{scheme}::Proxy", "")
    return "" if found == "DIRECT" else found


@functools.cache
def _apt_proxies() -> dict[str, str]:
    """apt.conf(5), as apt itself reads it, by name."""
    if shutil.which("apt-config") is None:
        return {}
    done = process.run(["apt-config", "dump"], deadline=Deadline.after(10), check=False)
    return dict(re.findall(r'^(Acquire::https?::Proxy\S*) "(.*)";$', done.stdout.decode(), re.MULTILINE))


def _from_template(path: Path) -> str:
    if not path.is_file():
        return ""
    match = re.search(r"^BaseURI:\s*(https?://\S+/debian)/?$", path.read_text(), re.MULTILINE)
    return match[1] if match else ""
