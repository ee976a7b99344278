"""Take folders of another machine's cache into this one's: ``python -m orchestrator.cluster.warm.take_in``.

Reads a line of JSON, a list of ``[kind, key]``, and answers with a line: those that are missing here. Then
come the missing ones, each as a line of JSON with ``kind``, ``key``, ``size`` and ``sha256`` and its archive
(tar, gzip). At the end of the input a last line of JSON says what went wrong, or "".
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, SpecError, TransportError
from orchestrator.host import cache
from orchestrator.paths import cache_dir

KINDS = ("images", "toolchain")
"""Those that are the same on every machine: their keys say all that they were made from."""
CHUNK = 2**20
WAIT_SECONDS = 600.0
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")


def missing(asked: Any) -> list[list[str]]:
    """Return which of these kinds and keys this machine's cache lacks. Raises SpecError for what is none."""
    for kind, key in asked:
        _require_name(kind, key)
    return [[kind, key] for kind, key in asked if not (cache.place(kind, key) / cache.META).exists()]


def take(about: Mapping[str, Any], stream: IO[bytes]) -> None:
    """Read a folder's archive and take it into the cache, once its digest is right.

    Raises SpecError (a name that is none), TransportError (the archive ends early or is damaged), OSError,
    CacheUnwritableError, TimedOut.
    """
    kind, key = about["kind"], about["key"]
    _require_name(kind, key)
    with tempfile.TemporaryFile(dir=cache_dir()) as file:
        _read(about, stream, file)

        def fill(folder: Path) -> dict[str, Any]:
            file.seek(0)
            with tarfile.open(fileobj=file, mode="r:gz") as archive:
                if hasattr(tarfile, "data_filter"):  # Python 3.11.4
                    archive.extraction_filter = tarfile.data_filter
                archive.extractall(folder)
            return cache.meta(folder)

        cache.make(kind, key, fill, Deadline.after(WAIT_SECONDS))


def _read(about: Mapping[str, Any], stream: IO[bytes], file: IO[bytes]) -> None:
    digest, left = hashlib.sha256(), int(about["size"])
    while left:
        data = stream.read(min(left, CHUNK))
        if not data:
            raise TransportError(f"the connection ended in the middle of {about['key']}")
        digest.update(data)
        file.write(data)
        left -= len(data)
    if digest.hexdigest() != about["sha256"]:
        raise TransportError(f"{about['key']} arrived damaged: its digest is another")


def _require_name(kind: object, key: object) -> None:
    if kind not in KINDS or not isinstance(key, str) or not _KEY.fullmatch(key):
        raise SpecError(f"this is no folder of a cache: {str(kind)[:40]!r}, {str(key)[:40]!r}")


def main(stream: IO[bytes], answer: IO[str]) -> None:
    """Do what this module is for, over these streams."""
    problem = ""
    try:
        print(json.dumps(missing(json.loads(stream.readline()))), file=answer, flush=True)
        while line := stream.readline():
            take(json.loads(line), stream)
    except LabError as caught:
        problem = caught.describe()
    except (OSError, ValueError, KeyError, TypeError, tarfile.TarError, shutil.Error) as caught:
        problem = f"{type(caught).__name__}: {caught}"
    print(json.dumps(problem), file=answer, flush=True)


if __name__ == "__main__":
    main(sys.stdin.buffer, sys.stdout)
