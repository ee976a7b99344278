"""What a host's cache takes from another machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from orchestrator.cluster.warm.take_in import main
from orchestrator.host import cache

META = b'{"made": "there"}'


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def archive(**files: bytes) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as packed:
        for name, data in files.items():
            entry = tarfile.TarInfo(name.replace("meta", cache.META))
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    return gzip.compress(raw.getvalue(), mtime=0)  # the same in every process: it names tests


def sent(data: bytes, kind: str = "images", key: str = "micro-amd64-1", digest: str = "") -> bytes:
    digest = digest or hashlib.sha256(data).hexdigest()
    return json.dumps({"kind": kind, "key": key, "size": len(data), "sha256": digest}).encode() + b"\n" + data


def answers(asked: object, *more: bytes) -> list[object]:
    answer = io.StringIO()
    main(io.BytesIO(json.dumps(asked).encode() + b"\n" + b"".join(more)), answer)
    return [json.loads(line) for line in answer.getvalue().splitlines()]


WANTED = [["images", "micro-amd64-1"], ["toolchain", "amd64-2"]]


def test_it_says_what_is_missing_and_takes_it(own_cache: Path) -> None:
    first, second = archive(kernel=b"K", meta=META), archive(libc=b"L", meta=b"{}")
    assert answers(WANTED, sent(first), sent(second, "toolchain", "amd64-2")) == [WANTED, ""]
    assert cache.meta(own_cache / "images/micro-amd64-1") == {"made": "there"}
    assert (own_cache / "toolchain/amd64-2/libc").read_bytes() == b"L"
    assert answers(WANTED) == [[], ""]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (sent(archive(kernel=b"K", meta=META))[:-3], "ended in the middle of micro-amd64-1"),
        (sent(archive(kernel=b"K", meta=META), digest="0" * 64), "arrived damaged"),
        (sent(archive(kernel=b"K")), "FileNotFoundError"),
        (sent(b"no archive"), "ReadError"),
        (sent(archive(meta=META), kind="templates"), "no folder of a cache: 'templates'"),
        (sent(archive(meta=META), key="../x"), "no folder of a cache"),
        (b"nonsense\n", "JSONDecodeError"),
        (b"{}\n", "KeyError"),
    ],
)
def test_what_is_not_whole_is_not_taken(own_cache: Path, data: bytes, words: str) -> None:
    missing, problem = answers(WANTED, data)
    assert missing == WANTED
    assert words in str(problem)
    assert not list(own_cache.glob("images/*"))
    assert not list(own_cache.glob("templates/*"))


@pytest.mark.parametrize("asked", [[["templates", "x"]], [["images", "../../etc"]], [["images", 1]], 7, [1]])
def test_what_is_asked_for_and_is_no_folder(asked: object) -> None:
    (problem,) = answers(asked)
    assert problem
