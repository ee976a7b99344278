"""The labs that a host was sent: each once, by the digest of its bundle."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.cluster.agent.refusal import Refused
from orchestrator.errors import SpecError
from orchestrator.labfile.load import LoadedLab

SENT = "bundle:"
"""Before a digest: how the isolab of a host names a lab that a controller sent."""
_RUN = ".run"
"""In the folder of a bundle that is one run's alone: which."""
DIGEST = re.compile(r"[0-9a-f]{16,64}")
"""The beginning of a SHA-256 in hexadecimal, or all of it."""
MOST_NAMED = 32
"""Labs that a host names among its facts, which are heard every few seconds. It is asked for others."""


@dataclass(frozen=True)
class BundleFormat:
    """How a bundle is unpacked into a folder, and a lab loaded from that. Both raise LabError."""

    unpack: Callable[[Path, Path], None]
    load: Callable[[Path], LoadedLab]


@dataclass(frozen=True)
class Labs:
    """Labs in a folder, each below its digest. Thread-safe."""

    folder: Path
    format: BundleFormat
    _loaded: dict[str, LoadedLab] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def missing(self, digests: Iterable[str]) -> list[str]:
        """Return those that are not here."""
        return [one for one in digests if not self._place(one).is_dir()]

    def there(self) -> tuple[str, ...]:
        """Return the digests of the labs that any run may use, the last used first, and not too many."""
        found: list[tuple[float, str]] = []
        with contextlib.suppress(FileNotFoundError):  # all of it was removed
            for place in self.folder.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if DIGEST.fullmatch(place.name) and not of_one_run(place):
                        found.append((place.stat().st_mtime, place.name))
        return tuple(name for _, name in sorted(found, reverse=True)[:MOST_NAMED])

    def add(self, archive: Path, digest: str, run: str = "") -> None:
        """Unpack a bundle whose digest was checked; with ``run`` it is that run's alone, and goes with it.
        Raises LabError, OSError; then nothing is added."""
        final = self._place(digest)
        with self._lock:
            if final.is_dir():
                return
            fresh = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=self.folder))
            try:
                self.format.unpack(archive, fresh)
                if run:
                    (fresh / _RUN).write_text(run)
                fresh.rename(final)
            except BaseException:
                shutil.rmtree(fresh, ignore_errors=True)
                raise

    def lab(self, digest: str) -> LoadedLab:
        """Return the lab of a bundle. Raises Refused if it is not here, SpecError if it cannot be loaded."""
        place = self._place(digest)
        with self._lock:
            if not place.is_dir():
                raise Refused(f"this host does not have the lab {digest[:12]}", hint="send its bundle first")
            if digest not in self._loaded:
                self._loaded[digest] = self.format.load(place)
            os.utime(place)  # what is used is not forgotten
            return self._loaded[digest]

    def file(self, digest: str, name: str) -> str:
        """Return the text of a file that was sent as a bundle. Raises Refused if it is not here."""
        try:
            return (self._place(digest) / name).read_text()
        except FileNotFoundError:
            raise Refused(f"this host does not have {name} {digest[:12]}", hint="send it first") from None

    def forget_run(self, run: str) -> None:
        """Remove what is this run's alone."""
        self.forget(lambda folder: _run_of(folder) != run)

    def forget(self, keep: Callable[[Path], bool]) -> None:
        """Remove labs that are not to be kept, and what a killed agent left half unpacked."""
        with self._lock:
            for folder in self.folder.iterdir():
                if folder.name.startswith(".unpacking-") or not keep(folder):
                    shutil.rmtree(folder, ignore_errors=True)
                    self._loaded.pop(folder.name, None)

    def _place(self, digest: str) -> Path:
        if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
            raise SpecError(f"{digest!r} is no digest of a bundle")
        return self.folder / digest


def _run_of(folder: Path) -> str:
    try:
        return (folder / _RUN).read_text()
    except OSError:
        return ""


def of_one_run(folder: Path) -> bool:
    """Return whether the bundle in a folder is one run's alone."""
    return bool(_run_of(folder))


def bundle_format() -> BundleFormat:
    """Return the format of the bundles that controllers of this version send."""

    def unpack(archive: Path, folder: Path) -> None:
        from orchestrator.cluster.bundle import unpack as unpack_bundle  # not for who only asks for facts

        unpack_bundle(archive, folder)

    def load(folder: Path) -> LoadedLab:
        from orchestrator.cluster.bundle import load_bundle

        return load_bundle(folder)

    return BundleFormat(unpack, load)
