"""One large file by URL and digest: continued, verified, and honest about failures."""

from __future__ import annotations

import hashlib
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.debian.download import Published, download, fetched
from orchestrator.errors import ImageError, NotPublished, TimedOut

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Publisher(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT and breaks off after ``breaks`` bytes of each of the first answers."""

    breaks: list[int]
    ranges: list[str]
    knows_ranges = True

    def do_GET(self) -> None:
        if self.path != "/image":
            self.send_error(404)
            return
        wanted = self.headers.get("Range", "")
        self.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.knows_ranges else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if wanted and self.knows_ranges else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        end = start + self.breaks.pop(0) if self.breaks else len(CONTENT)
        self.wfile.write(CONTENT[start:end])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def publisher(*breaks: int, knows_ranges: bool = True) -> Iterator[tuple[str, list[str]]]:
    """The URL of the file, and the ranges that were asked for."""
    ranges: list[str] = []
    about = {"breaks": list(breaks), "ranges": ranges, "knows_ranges": knows_ranges}
    handler = type("One", (Publisher,), about)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/image", ranges
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def published(*urls: str, digest: str = DIGEST, size: int = 0, most: int = 0) -> Published:
    return Published(
        urls, digest, "the recipe", "ask its publisher", "check the network", size=size, most=most
    )


def take(url: str, digest: str = DIGEST) -> bytes:
    with fetched(published(url, digest=digest), Deadline.after(60)) as path:
        return path.read_bytes()


def test_a_file_arrives_and_nothing_is_kept_of_it(own_cache: Path) -> None:
    with publisher() as (url, _):
        assert take(url) == CONTENT
    assert list((own_cache / "partial").iterdir()) == []


def test_a_download_that_breaks_off_goes_on_where_it_stopped() -> None:
    with publisher(1000, 5000) as (url, ranges):
        assert take(url) == CONTENT
        assert ranges == ["", "bytes=1000-", "bytes=6000-"]


def test_what_was_received_serves_the_next_try() -> None:
    with publisher(10, 10, 10, 10) as (url, ranges):
        with pytest.raises(ImageError, match=r"closed early.*were kept"):
            take(url)
        assert take(url) == CONTENT
        assert ranges[-1] == "bytes=40-"


def test_a_server_that_cannot_continue_begins_anew() -> None:
    with publisher(1000, knows_ranges=False) as (url, _):
        assert take(url) == CONTENT


def test_another_file_is_refused_and_not_kept(own_cache: Path) -> None:
    with (
        publisher() as (url, _),
        pytest.raises(ImageError, match=r"does not match the recipe.*, not 0000") as caught,
    ):
        take(url, "0" * 64)
    assert DIGEST in caught.value.message
    assert "publisher" in caught.value.describe()
    assert list((own_cache / "partial").iterdir()) == []


def test_a_file_that_is_not_published_is_named() -> None:
    with publisher() as (url, _), pytest.raises(ImageError, match=f"{url}x: HTTP Error 404"):
        take(f"{url}x")


def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(ImageError, match=r"cannot download http://127\.0\.0\.1:9/image") as caught:
        take("http://127.0.0.1:9/image")
    assert "network" in caught.value.describe()


def test_what_is_not_published_is_asked_for_once() -> None:
    with publisher() as (url, ranges), pytest.raises(NotPublished):
        take(f"{url}x")
    assert ranges == []


def test_the_rest_of_another_file_is_thrown_away_and_all_of_it_fetched(own_cache: Path) -> None:
    (own_cache / "partial").mkdir(parents=True)
    (own_cache / "partial" / DIGEST).write_bytes(b"of what was published before")
    with publisher() as (url, ranges):
        assert take(url) == CONTENT
        assert ranges == ["bytes=28-", ""]


def test_more_than_there_is_is_thrown_away(own_cache: Path) -> None:
    (own_cache / "partial").mkdir(parents=True)
    (own_cache / "partial" / DIGEST).write_bytes(CONTENT + b"more")
    with publisher() as (url, ranges):
        assert take(url) == CONTENT
        assert len(ranges) == 2


def test_the_next_address_serves_when_the_first_does_not(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"of another release")
    with publisher() as (url, ranges):
        wanted = published(f"{url}x", other.as_uri(), url)
        download(wanted, tmp_path / "file", Deadline.after(60))
        assert ranges == [""]
    assert (tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("bound", [{"size": 1000}, {"most": 1000}])
def test_no_more_is_taken_than_there_may_be(tmp_path: Path, bound: dict[str, int]) -> None:
    target = tmp_path / "file"
    with publisher() as (url, ranges), pytest.raises(ImageError, match="larger than 1000 bytes"):
        download(published(url, digest="", **bound), target, Deadline.after(60))
    assert ranges == [""]
    assert not target.exists()


def test_without_a_digest_nothing_is_continued(tmp_path: Path) -> None:
    target = tmp_path / "file"
    with publisher(1000) as (url, ranges):
        download(published(url, digest=""), target, Deadline.after(60))
        assert ranges == ["", ""]
    assert target.read_bytes() == CONTENT


def test_a_download_ends_with_the_deadline_and_keeps_what_it_has(own_cache: Path) -> None:
    with publisher() as (url, _), pytest.raises(TimedOut), fetched(published(url), Deadline.after(-1)):
        pass
    assert (own_cache / "partial" / DIGEST).exists()


def test_a_path_on_this_host_will_do(tmp_path: Path) -> None:
    file = tmp_path / "my image"
    file.write_bytes(CONTENT)
    assert take(str(file)) == CONTENT
    assert take(file.as_uri()) == CONTENT
    assert file.exists()
    with pytest.raises(ImageError, match="is not a file"):
        take(str(tmp_path / "absent"))
