"""One large file by its URL and digest: continued where it broke off, never taken unverified.

Source for the continuation: RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

import contextlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.errors import ImageError
from orchestrator.host import cache
from orchestrator.paths import cache_dir

CHUNK = 1 << 20
ATTEMPTS = 4
IDLE_TIMEOUT = 30.0
"""Seconds without a byte before a download is continued by another request."""
_PARTIAL, _BEYOND_THE_END = 206, 416


@contextlib.contextmanager
def fetched(url: str, sha256: str, deadline: Deadline) -> Iterator[Path]:
    """The file at ``url`` (http, https, file, or a path) for the length of a ``with`` block.

    What was received is kept when a download breaks off, and the next try goes on from there.
    Raises ImageError for what cannot be had or is not what the digest says, TimedOut, Interrupted.
    """
    if urllib.parse.urlsplit(url).scheme in ("", "file"):
        path = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
        if not path.is_file():
            raise ImageError(f"{path} is not a file", hint="the image's recipe (`url:`) names it")
        _require(path, url, sha256)
        yield path
        return
    folder = cache_dir() / "partial"
    folder.mkdir(exist_ok=True)
    part = folder / sha256
    with cache.locked("partial", sha256, deadline):
        _complete(url, part, deadline)
        try:
            _require(part, url, sha256)
            yield part
        finally:
            part.unlink(missing_ok=True)


def _require(path: Path, url: str, sha256: str) -> None:
    found = cache.sha256_file(path)
    if found != sha256:
        raise ImageError(
            f"{url}: its SHA-256 is {found}, and the recipe says {sha256}",
            hint="compare with what its publisher says; a file that was published anew needs a new recipe",
        )


def _complete(url: str, part: Path, deadline: Deadline) -> None:
    problem: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            if _continue(url, part, deadline):
                return
            problem = ImageError("the connection ended early")
        except urllib.error.HTTPError as failure:
            failure.close()
            problem = failure
            if failure.code == _BEYOND_THE_END:  # what we have is longer than what there is
                part.unlink(missing_ok=True)
        except (OSError, ValueError, http.client.HTTPException) as failure:
            problem = failure
    size = part.stat().st_size if part.exists() else 0
    kept = f"; the {size // 2**20} MiB received so far are kept" if size else ""
    raise ImageError(
        f"cannot download {url}: {problem}{kept}",
        hint="check the network and the recipe's `url:`, then try again: it goes on where it stopped",
    )


def _continue(url: str, part: Path, deadline: Deadline) -> bool:
    """One request, for the rest of the file; whether it came to its end."""
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=IDLE_TIMEOUT) as answer:
        going_on = answer.status == _PARTIAL
        length = answer.headers.get("Content-Length")
        received = 0
        with part.open("ab" if going_on else "wb") as file:
            while block := answer.read(CHUNK):
                deadline.check(f"downloading {url}")
                file.write(block)
                received += len(block)
    return length is None or received == int(length)
