"""Download a published file: resumable, bounded, never used unverified.

Source for resuming: RFC 9110, section 14 (range requests).
"""

from __future__ import annotations

import contextlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.debian.mirror import proxy_of
from orchestrator.errors import ImageError, NotPublished
from orchestrator.host import cache
from orchestrator.paths import cache_dir

CHUNK = 1 << 20
ATTEMPTS = 4
IDLE_TIMEOUT = 30.0
"""Seconds without data before a download is resumed by another request."""
_PARTIAL, _BEYOND_THE_END = 206, 416
_GONE = (404, 410)
"""HTTP status codes for missing files (RFC 9110): retrying is pointless."""


@dataclass(frozen=True)
class Published:
    """A file by its addresses, which all have the same content and are tried in this order.

    ``sha256`` is "" for a file that is verified by other means; ``size`` is its size and ``most`` a
    limit, both in bytes, 0 if unknown. ``described_by`` names what states them; ``if_other`` is the
    hint for different content, ``if_absent`` for a missing file.
    """

    urls: tuple[str, ...]
    sha256: str
    described_by: str
    if_other: str
    if_absent: str
    size: int = 0
    most: int = 0

    def other(self, url: str, how: str) -> ImageError:
        """The error for content that differs from its description."""
        return ImageError(f"{url} does not match {self.described_by}: {how}", hint=self.if_other)

    def verify(self, path: Path, url: str) -> None:
        """Check the digest of ``path``. Raises ImageError."""
        found = cache.sha256_file(path)
        if self.sha256 and found != self.sha256:
            raise self.other(url, f"its SHA-256 is {found}, not {self.sha256}")


@contextlib.contextmanager
def fetched(file: Published, deadline: Deadline) -> Iterator[Path]:
    """Provide the file for a ``with`` block; its one address may be a path on this host.

    Data received before a download broke off is kept, and the next attempt resumes from there.
    Raises ImageError if it cannot be downloaded or its digest is wrong, TimedOut, Interrupted.
    """
    (url,) = file.urls
    if urllib.parse.urlsplit(url).scheme in ("", "file"):
        path = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path))
        if not path.is_file():
            raise ImageError(f"{path} is not a file", hint=file.if_absent)
        file.verify(path, url)
        yield path
        return
    folder = cache_dir() / "partial"
    folder.mkdir(exist_ok=True)
    part = folder / file.sha256
    with cache.locked("partial", file.sha256, deadline):
        _fetch(file, part, deadline)
        try:
            yield part
        finally:
            part.unlink(missing_ok=True)


def _fetch(file: Published, part: Path, deadline: Deadline) -> None:
    try:
        download(file, part, deadline)
    except ImageError as failure:
        if not (size := _received(part)):
            raise
        kept = f"the {size // 2**20} MiB received so far were kept"
        raise ImageError(f"{failure.message}; {kept}", hint=failure.hint) from None


def download(file: Published, target: Path, deadline: Deadline) -> None:
    """Download the file, resuming from what ``target`` already contains, and verify it.

    Raises NotPublished if no address has it; ImageError, TimedOut, Interrupted.
    """
    left = list(file.urls)
    problems: dict[str, Exception] = {}
    for url in (url for _ in range(ATTEMPTS) for url in file.urls):
        if url not in left:
            continue
        begun = _received(target) if file.sha256 else 0
        try:
            _continue(file, url, target, begun, deadline)
            file.verify(target, url)
            return
        except urllib.error.HTTPError as failure:
            failure.close()
            problems[url] = failure
            if failure.code in _GONE:
                left.remove(url)
            elif failure.code == _BEYOND_THE_END:  # our part is longer than the file
                target.unlink(missing_ok=True)
        except ImageError as failure:
            problems[url] = failure
            target.unlink(missing_ok=True)
            if not begun:  # otherwise our part may have been of another file
                left.remove(url)
        # URLError and time-outs are OSErrors, an impossible URL is a ValueError.
        except (OSError, ValueError, http.client.HTTPException) as failure:
            problems[url] = failure
    problem = problems[file.urls[-1]]
    if isinstance(problem, ImageError):
        raise problem
    gone = isinstance(problem, urllib.error.HTTPError) and problem.code in _GONE
    raise (NotPublished if gone else ImageError)(
        f"cannot download {file.urls[-1]}: {problem}", hint=file.if_absent
    )


def _open(request: urllib.request.Request) -> Any:
    """Open by the environment's proxies, else by apt's own."""
    proxy = proxy_of(request.full_url)
    if not proxy:
        return urllib.request.urlopen(request, timeout=IDLE_TIMEOUT)
    own = urllib.request.ProxyHandler({request.type: proxy})
    return urllib.request.build_opener(own).open(request, timeout=IDLE_TIMEOUT)


def _received(target: Path) -> int:
    return target.stat().st_size if target.exists() else 0


def _continue(file: Published, url: str, target: Path, begun: int, deadline: Deadline) -> None:
    """Make one request, for all but the first ``begun`` bytes, which we already have.

    Raises ConnectionError if it ends early, ImageError if the file is too large.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    with _open(request) as answer:
        going_on = begun > 0 and answer.status == _PARTIAL
        have = begun if going_on else 0
        length = answer.headers.get("Content-Length")
        end = have + int(length) if length is not None else file.size
        most = file.size or file.most
        with target.open("ab" if going_on else "wb") as output:
            while block := answer.read(CHUNK):
                deadline.check(f"downloading {url}")
                have += len(block)
                if most and have > most:
                    raise file.other(url, f"it is larger than {most} bytes")
                output.write(block)
    if end and have < end:
        raise ConnectionError("the connection closed early")
