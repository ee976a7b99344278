"""What the gateway keeps: keys that are made once, keys that students added, and what it is wanted for."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.classes import gateway, listen
from orchestrator.classes.gateway import sandbox, sockets
from orchestrator.classes.gateway.added_keys import MOST_KEYS, AddedKeys
from orchestrator.classes.gateway.folder import folder_of
from orchestrator.classes.gateway.keys import host_key, host_key_fingerprint, student_keys
from orchestrator.classes.gateway.leftovers import reclaim_gateways
from orchestrator.classes.gateway.public_key import key_fingerprint
from orchestrator.classes.load import load_class
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.errors import SpecError, Unavailable
from orchestrator.labfile.ssh_endpoint import Endpoint

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB+mHI25sRlwPTi0GHKNdbxabxr93BfKdEHlpkA03VVk"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEWqL6UcYfAIGx1h9oTtHN1a7mORSqwYiNwAXPQcuFFS"


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedClass:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "class"
    folder.mkdir()
    (folder / "class.yaml").write_text("class: mini\nmachines:\n  desk: {driver: qemu}\n")
    (folder / "roster.csv").write_text("id\nada\nbob\n")
    return load_class(folder)


def test_keys_are_made_once(found: LoadedClass) -> None:
    assert host_key(found) == host_key(found)
    assert host_key_fingerprint(found) == key_fingerprint(host_key(found))
    assert student_keys(found, "ada") == student_keys(found, "ada")
    keys = {host_key(found), *student_keys(found, "ada"), *student_keys(found, "bob")}
    assert len(keys) == 3


def test_everybody_enters_what_is_shared(found: LoadedClass) -> None:
    AddedKeys(found).add("ada", f"{KEY} ada@home")
    assert student_keys(found, "ada")[1:] == (KEY,)
    assert student_keys(found, SHARED) == student_keys(found, "ada") + student_keys(found, "bob")


def test_in_an_examination_only_the_gateway_enters(
    found: LoadedClass, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "choose", lambda: sandbox.Sandbox(True, "sshd"))
    AddedKeys(found).add("ada", KEY)
    exam = replace(found, spec=found.spec.model_copy(update={"exam": True}))
    assert student_keys(exam, "ada") == student_keys(found, "ada")[:1]
    gateway.refresh(exam)
    lines = folder_of(exam).authorized_keys.read_text()
    assert lines.startswith("restrict,pty,command=")
    assert "permitopen" not in lines


def test_added_keys(found: LoadedClass) -> None:
    added = AddedKeys(found)
    key = added.add("ada", KEY)
    assert added.add("ada", f"{KEY} again") == key
    with pytest.raises(SpecError, match="another seat's already"):
        added.add("bob", KEY)
    added.add("bob", OTHER)
    assert [(one.seat, one.fingerprint) for one in added.listed()] == [
        ("ada", key_fingerprint(KEY)),
        ("bob", key_fingerprint(OTHER)),
    ]
    assert not added.revoke("bob", key.fingerprint)
    assert added.revoke("ada", key.fingerprint)
    assert [one.line for one in added.listed()] == [OTHER]
    added.add("bob", KEY)


def test_one_seat_has_not_any_number_of_keys(found: LoadedClass, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.classes.gateway.added_keys.MOST_KEYS", 1)
    assert MOST_KEYS > 1
    AddedKeys(found).add("ada", KEY)
    with pytest.raises(SpecError, match="the most there may be"):
        AddedKeys(found).add("ada", OTHER)


def test_where_it_listens(found: LoadedClass, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert gateway.endpoint(found) == Endpoint("0.0.0.0", 2222)
    lowest = tmp_path / "lowest"
    lowest.write_text("1024\n")
    monkeypatch.setattr(listen, "_LOWEST", lowest)
    with pytest.raises(SpecError, match="ports below 1024"):
        sockets.require_free(Endpoint("127.0.0.1", 1023))
    with pytest.raises(SpecError, match="Cannot assign"):
        sockets.require_free(Endpoint("192.0.2.1", 45454))


def test_who_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(Unavailable, match=f"port {port} is taken"):
            sockets.require_free(Endpoint("127.0.0.1", port))
        with socket.create_connection(("127.0.0.1", port)) as line:
            assert sockets.connected(port) == {line.getsockname()}
    sockets.require_free(Endpoint("127.0.0.1", port))


def test_where_none_runs_none_is_garbage(found: LoadedClass) -> None:
    assert not gateway.alive(found)
    assert not gateway.wanted(found)
    assert list(reclaim_gateways()) == []
