"""A published file: continued where it broke off, bounded, never taken unverified.

Source for the continuation: RFC 9110, section 14 (range requests).
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

from orchestrator.deadline import Deadline
from orchestrator.errors import ImageError, NotPublished
from orchestrator.host import cache
from orchestrator.paths import cache_dir

CHUNK = 1 << 20
ATTEMPTS = 4
IDLE_TIMEOUT = 30.0
"""Seconds without a byte before a download is continued by another request."""
_PARTIAL, _BEYOND_THE_END = 206, 416
_GONE = (404, 410)
"""What HTTP servers answer for what they do not have (RFC 9110): asking again changes nothing."""


@dataclass(frozen=True)
class Published:
    """A file by its addresses, which all have the same content and are tried in this order.

    ``sha256`` is "" for a file that is verified by other means, ``size`` its bytes and ``most`` how
    many it may have, each 0 where nobody said. ``described_by`` names who did, ``if_other`` hints
    at what to do about other content, and ``if_absent`` when there is none.
    """

    urls: tuple[str, ...]
    sha256: str
    described_by: str
    if_other: str
    if_absent: str
    size: int = 0
    most: int = 0

    def other(self, url: str, how: str) -> ImageError:
        """The error for content that differs from what was described."""
        return ImageError(f"{url}: not what {self.described_by} describes: {how}", hint=self.if_other)

    def verify(self, path: Path, url: str) -> None:
        """Raises ImageError when the content of ``path`` has another digest."""
        found = cache.sha256_file(path)
        if self.sha256 and found != self.sha256:
            raise self.other(url, f"its SHA-256 is {found}, not {self.sha256}")


@contextlib.contextmanager
def fetched(file: Published, deadline: Deadline) -> Iterator[Path]:
    """The file for the length of a ``with`` block; its one address may be a path on this host.

    What was received is kept when a download breaks off, and the next try goes on from there.
    Raises ImageError for what cannot be had or is not what the digest says, TimedOut, Interrupted.
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
        kept = f"the {size // 2**20} MiB received so far are kept"
        raise ImageError(f"{failure.message}; {kept}", hint=failure.hint) from None


def download(file: Published, target: Path, deadline: Deadline) -> None:
    """Fetch the file, going on from what ``target`` holds of it, and verify it.

    Raises NotPublished when no address has it; ImageError, TimedOut, Interrupted.
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
            elif failure.code == _BEYOND_THE_END:  # what we have is longer than what there is
                target.unlink(missing_ok=True)
        except ImageError as failure:
            problems[url] = failure
            target.unlink(missing_ok=True)
            if not begun:  # else what we had before may have been of another file
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


def _received(target: Path) -> int:
    return target.stat().st_size if target.exists() else 0


def _continue(file: Published, url: str, target: Path, begun: int, deadline: Deadline) -> None:
    """One request, for all but the first ``begun`` bytes, which are there.

    Raises ConnectionError when it ends early, ImageError when there is more than there may be.
    """
    request = urllib.request.Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    with urllib.request.urlopen(request, timeout=IDLE_TIMEOUT) as answer:
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
                    raise file.other(url, f"it has more than {most} bytes")
                output.write(block)
    if end and have < end:
        raise ConnectionError("the connection ended early")
