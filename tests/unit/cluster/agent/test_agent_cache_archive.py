"""Images and templates on their way to another host: holes stay, and nothing but plain files arrives."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, agent_in, soon
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.cluster.agent.cache_archive import forget_arrived, packed, unpack
from orchestrator.cluster.agent.refusal import Refused
from orchestrator.errors import LabError, SpecError, TransportError
from orchestrator.host import cache

KEY = "micro-amd64-00112233445566778899"
HOLE = 64 * 2**20


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "first"))


def _template(**about: Any) -> Path:
    folder = cache.place("templates", KEY)
    folder.mkdir(parents=True)
    with (folder / "memory").open("wb") as file:
        file.write(b"\0" * 5000 + b"begin")
        file.seek(HOLE // 2)
        file.write(b"middle")
        file.truncate(HOLE)
    (folder / "state").write_bytes(b"devices")
    (folder / "state").chmod(0o600)
    (folder / "empty").touch()
    (folder.parent / "kernel-of-image").write_bytes(b"\x7fELF")
    (folder / "kernel").symlink_to(folder.parent / "kernel-of-image")
    meta = {"reason": "", "accel": "tcg", "boot_seconds": 3.0, **about}
    (folder / cache.META).write_text(json.dumps(meta))
    return folder


def _archive(folder: Path, data: bytes) -> Path:
    file = folder / "archive"
    file.write_bytes(data)
    return file


def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "second"))


def test_a_template_arrives_as_it_was_with_its_holes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _template()
    data = b"".join(packed("templates", KEY))
    assert len(data) < 2000
    _elsewhere(tmp_path, monkeypatch)
    unpack(_archive(tmp_path, data), "templates", KEY)
    found = cache.place("arrived", KEY)
    assert not cache.place("templates", KEY).exists()  # it is not tested here yet
    assert {file.name for file in found.iterdir()} == {file.name for file in source.iterdir()}
    for file in source.iterdir():
        assert (found / file.name).read_bytes() == file.read_bytes()
    assert not (found / "kernel").is_symlink()
    assert (found / "state").stat().st_mode & 0o777 == 0o600
    assert (found / "memory").stat().st_blocks * 512 < 2**20


def test_what_came_and_was_never_wanted_is_forgotten() -> None:
    folder = cache.place("arrived", KEY)
    folder.mkdir(parents=True)
    (folder / "memory").touch()
    forget_arrived(3600.0)
    assert folder.exists()
    forget_arrived(-1.0)
    assert not folder.exists()


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"reason": "its timers do not run"}, "its timers do not run"),
        ({"accel": "kvm"}, "under KVM"),
        ({"accel": None}, "under KVM"),
    ],
)
def test_what_is_of_no_use_elsewhere_is_not_given(about: dict[str, Any], words: str) -> None:
    _template(**about)
    with pytest.raises(Refused, match=words):
        next(packed("templates", KEY))


def test_one_over_an_images_disk_is_not_given() -> None:
    (_template() / "disk.qcow2").touch()
    with pytest.raises(Refused, match="its disk is a layer"):
        next(packed("templates", KEY))


@pytest.mark.parametrize(
    ("kind", "key"),
    [("templates", "../images"), ("programs", KEY), ("images", "/etc-x-00112233445566778899")],
)
def test_only_images_and_templates_travel(kind: str, key: str) -> None:
    with pytest.raises(SpecError):
        next(packed(kind, key))


def test_an_image_must_have_what_its_maker_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache.place("images", KEY)
    folder.mkdir(parents=True)
    (folder / "kernel").write_bytes(b"a kernel")
    noted = {"kernel": hashlib.sha256(b"a kernel").hexdigest()}
    (folder / cache.META).write_text(json.dumps({"sha256": noted}))
    whole = b"".join(packed("images", KEY))
    (folder / "kernel").write_bytes(b"another one")
    wrong = b"".join(packed("images", KEY))
    _elsewhere(tmp_path, monkeypatch)
    with pytest.raises(SpecError, match="arrived damaged: kernel"):
        unpack(_archive(tmp_path, wrong), "images", KEY)
    assert list(cache.place("images", KEY).parent.iterdir()) == []
    unpack(_archive(tmp_path, whole), "images", KEY)
    assert (cache.place("images", KEY) / "kernel").read_bytes() == b"a kernel"


def _stream(name: object, size: object, *pieces: tuple[int, bytes], mode: object = 0o644) -> bytes:
    head = json.dumps({"name": name, "size": size, "mode": mode}).encode()
    body = b"".join(struct.pack(">QI", place, len(data)) + data for place, data in pieces)
    return struct.pack(">I", len(head)) + head + body + struct.pack(">QI", 0, 0)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "has no meta.json"),
        (_stream("../../etc/x", 1), "no plain name"),
        (_stream("a/b", 1), "no plain name"),
        (_stream(".hidden", 1), "no plain name"),
        (_stream(7, 1), "no plain name"),
        (_stream("a", "1"), "no plain name"),
        (_stream("a", 2**60), "too large"),
        (_stream("a", -1), "too large"),
        (_stream("a", 5, (3, b"xyz")), "lies outside"),
        (_stream("a", 2**30, (2**63, b"x")), "lies outside"),
        (_stream("a", 2**30, (0, b"x" * (2**20 + 1))), "lies outside"),
        (_stream("a", 5)[:-3], "ends too early"),
        (struct.pack(">I", 2) + b"[]", "cannot be read"),
        (struct.pack(">I", 2**31) + b"x" * 5000, "cannot be read"),
        (b"".join(_stream(f"f{n}", 0) for n in range(70)), "too many files"),
    ],
    ids=range(15),
)
def test_what_is_no_such_stream_leaves_nothing(tmp_path: Path, raw: bytes, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        unpack(_archive(tmp_path, zlib.compress(raw)), "templates", KEY)
    assert list(cache.place("arrived", KEY).parent.iterdir()) == []


def test_a_file_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileExistsError):
        unpack(_archive(tmp_path, zlib.compress(_stream("a", 0) * 2)), "templates", KEY)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_arrive_as_a_template(tmp_path: Path, raw: bytes, squeezed: bool) -> None:
    with pytest.raises((LabError, OSError)):
        unpack(_archive(tmp_path, zlib.compress(raw) if squeezed else raw), "templates", KEY)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    (tmp_path / "agent").mkdir()
    return agent_in(tmp_path / "agent")


def test_one_agent_gives_and_another_takes(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _template()
    target = tmp_path / "template"
    with agent.client() as client:
        client.give(KEY, target, soon())
        _elsewhere(tmp_path, monkeypatch)
        with pytest.raises(Refused, match="does not have"):
            client.give(KEY, tmp_path / "nothing", soon())
        client.take(KEY, target, soon())
        assert (cache.place("arrived", KEY) / "memory").read_bytes() == (folder / "memory").read_bytes()
        done = client.ask("take", soon(), template=KEY, part="AAAA", more=False, digest="00" * 32)
        with pytest.raises(TransportError, match="arrived damaged"):
            list(done)
    assert list(agent.place.incoming.iterdir()) == []
