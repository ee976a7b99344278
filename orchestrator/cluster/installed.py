"""Where the isolab of each host is, as it was found last: asked again only when this one has changed."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from orchestrator.cluster.install.version import Installed
from orchestrator.host.cache import digest, write_atomically
from orchestrator.paths import IN_CHECKOUT, ROOT

FILE = "installed.json"
_PACKAGES = (".dist-info", ".egg-info")


@dataclass
class KnownInstalled:
    """The file in a cluster's state folder. Thread-safe; who loses a race asks once more."""

    state: Path
    _ours: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, host: str) -> Installed | None:
        """Return what was found on a host by an isolab that is the same as this one."""
        with self._lock:
            found = self._read().get(host)
            try:
                if found is not None and found["ours"] == self._fingerprint():
                    return Installed(str(found["digest"]), str(found["folder"]))
            except (KeyError, TypeError):
                pass
            return None

    def put(self, host: str, there: Installed | None) -> None:
        """Note what was found on a host; None: it is not there any more."""
        with self._lock:
            known = self._read()
            known.pop(host, None)
            if there is not None:
                known[host] = {**asdict(there), "ours": self._fingerprint()}
            write_atomically(self.state / FILE, json.dumps(known, indent=1).encode())

    def _read(self) -> dict[str, dict[str, str]]:
        with contextlib.suppress(OSError, ValueError):
            found = json.loads((self.state / FILE).read_text())
            if isinstance(found, dict):
                return found
        return {}

    def _fingerprint(self) -> str:
        self._ours = self._ours or fingerprint()
        return self._ours


def fingerprint() -> str:
    """Return what is another one after this isolab or a package of its was changed."""
    return digest(*_files())


def _files() -> Iterator[str]:
    """Yield what changes with what would be sent: to read all of it takes a second."""
    for place in sys.path:
        with contextlib.suppress(OSError):  # a folder that is not there, or an archive
            # Their names say package and version; to read what they contain takes longer than all the rest.
            names = (one.name for one in Path(place or ".").iterdir())
            yield from sorted(name for name in names if name.endswith(_PACKAGES))
    if IN_CHECKOUT:
        for name in ("orchestrator", "labs", "images"):
            for folder, folders, files in os.walk(ROOT / name):
                folders[:] = sorted(one for one in folders if one != "__pycache__")
                for file in sorted(files):
                    about = os.stat(os.path.join(folder, file))  # noqa: PTH116, PTH118 - of two thousand files
                    yield f"{folder}/{file} {about.st_size} {about.st_mtime_ns}"
