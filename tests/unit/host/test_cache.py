"""The cache: a folder is whole or absent, and made once however many want it."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import Interrupted, TimedOut, Unavailable
from orchestrator.host import cache


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path))
    return tmp_path


def soon() -> Deadline:
    return Deadline.after(20)


def test_a_thing_is_made_once_and_found_again() -> None:
    made = []

    def maker(folder: Path) -> dict[str, Any]:
        made.append(folder)
        (folder / "content").write_text("data")
        return {"size": 4}

    first = cache.make("things", "key", maker, soon())
    assert cache.make("things", "key", maker, soon()) == first == cache.place("things", "key")
    assert (first / "content").read_text() == "data"
    assert cache.meta(first) == {"size": 4}
    assert len(made) == 1


def test_a_failed_maker_leaves_nothing() -> None:
    def maker(folder: Path) -> dict[str, Any]:
        (folder / "half").write_text("half")
        raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        cache.make("things", "key", maker, soon())
    assert list(cache.place("things", "key").parent.iterdir()) == []


def test_a_folder_without_its_meta_file_counts_as_absent() -> None:
    final = cache.place("things", "key")
    final.mkdir(parents=True)
    (final / "stale").touch()
    made = cache.make("things", "key", lambda _: {}, soon())
    assert [path.name for path in made.iterdir()] == [cache.META]


def test_ten_makers_at_once_make_once() -> None:
    count = []

    def maker(folder: Path) -> dict[str, Any]:
        count.append(folder)
        time.sleep(0.05)
        return {}

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(lambda _: cache.make("things", "key", maker, soon()), range(10)))
    assert len(count) == 1
    assert len(set(found)) == 1


def test_different_things_are_made_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)

    def maker(_folder: Path) -> dict[str, Any]:
        both.wait()
        return {}

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda key: cache.make("things", key, maker, soon()), ["a", "b"]))


def test_waiting_for_another_maker_ends_with_the_deadline_or_the_users_wish() -> None:
    cancellation = Cancellation()
    with cache.locked("things", "key", soon()):
        with pytest.raises(TimedOut, match="another isolab process to make things/key"):
            cache.make("things", "key", lambda _: {}, Deadline.after(0.05))
        cancellation.cancel()
        with pytest.raises(Interrupted):
            cache.make("things", "key", lambda _: {}, cancellation.deadline())


def test_digests_are_stable_and_tell_parts_apart() -> None:
    assert cache.digest("a", 1, b"\xff") == "d439832b0b191a97b9bd"
    assert cache.digest("a", "b") != cache.digest("ab")
    assert cache.digest(1) != cache.digest("1")


def test_a_files_digest_is_that_of_its_content(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(100_000))
    assert cache.sha256_file(file) == hashlib.sha256(file.read_bytes()).hexdigest()


def test_writing_a_file_replaces_it_whole(tmp_path: Path) -> None:
    target = tmp_path / "answers" / "file"
    target.parent.mkdir()
    target.write_text("old and long")
    cache.write_atomically(target, b"new")
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSPC, "images prune"), (errno.EDQUOT, "images prune"), (errno.EROFS, "ISOLAB_CACHE")],
)
def test_a_cache_that_cannot_be_written_is_told(
    monkeypatch: pytest.MonkeyPatch, home: Path, number: int, hint: str
) -> None:
    def refuse(**_: object) -> str:
        raise OSError(number, os.strerror(number), str(home / "things"))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(
        Unavailable, match=f"cannot write to the cache {home}: {os.strerror(number)}"
    ) as caught:
        cache.make("things", "key", lambda _: {}, soon())
    assert hint in caught.value.hint


def test_a_lock_that_cannot_be_made_is_told(home: Path) -> None:
    (home / "locks").touch()
    with pytest.raises(Unavailable, match="cannot write to the cache") as caught:
        cache.make("things", "key", lambda _: {}, soon())
    assert "ISOLAB_CACHE" in caught.value.hint


def test_what_a_cache_has_can_be_used_although_it_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    made = cache.make("things", "key", lambda _: {}, soon())
    (home / "locks" / "things-key").unlink()
    (home / "locks").rmdir()
    (home / "locks").touch()  # no lock can be made
    assert cache.make("things", "key", lambda _: {}, soon()) == made
