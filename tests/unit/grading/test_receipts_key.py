"""The key that signs receipts: made once, readable for its owner only, never replaced."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.deadline import Deadline
from orchestrator.errors import SpecError, Unavailable
from orchestrator.grading.keys import (
    KEY_FILE,
    existing_key,
    fingerprint,
    is_signed,
    public_pem,
    read_public,
    signing_key,
)
from orchestrator.host import process


def test_a_key_is_made_once(tmp_path: Path) -> None:
    assert existing_key(tmp_path) is None
    first = signing_key(tmp_path).public_key()
    assert fingerprint(signing_key(tmp_path).public_key()) == fingerprint(first)
    there = existing_key(tmp_path)
    assert there is not None
    assert fingerprint(there) == fingerprint(first)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


def test_only_its_owner_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        signing_key(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_made_by_several_at_once_it_is_one(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def make(_: int) -> str:
        together.wait()
        return fingerprint(signing_key(tmp_path).public_key())

    with ThreadPoolExecutor(8) as pool:
        assert len({*pool.map(make, range(8))}) == 1
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("cut", [0, 10, -30])
def test_a_damaged_key_is_said_and_kept(tmp_path: Path, cut: int) -> None:
    signing_key(tmp_path)
    path = tmp_path / KEY_FILE
    path.write_bytes(path.read_bytes()[:cut])
    before = path.read_bytes()
    with pytest.raises(Unavailable, match="is damaged") as error:
        signing_key(tmp_path)
    assert "restore it from a backup" in error.value.hint
    assert path.read_bytes() == before


def test_a_state_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot write the key that signs receipts"):
        signing_key(tmp_path / "missing")


def test_a_public_key_is_read_and_others_are_refused(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    path = tmp_path / "published.pem"
    path.write_bytes(public_pem(key.public_key()))
    assert fingerprint(read_public(path)) == fingerprint(key.public_key())
    path.write_bytes((tmp_path / KEY_FILE).read_bytes())
    with pytest.raises(SpecError, match="is not a public Ed25519 key"):
        read_public(path)
    with pytest.raises(SpecError, match="cannot read the public key"):
        read_public(tmp_path)


def test_a_signature_is_of_one_key_and_one_text(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    signature = key.sign(b"a grade")
    assert is_signed(key.public_key(), signature, b"a grade")
    assert not is_signed(key.public_key(), signature, b"a better grade")
    assert not is_signed(key.public_key(), b"", b"a grade")


@pytest.mark.skipif(not shutil.which("openssl"), reason="there is no openssl")
def test_openssl_gives_the_same_fingerprint(tmp_path: Path) -> None:
    key = signing_key(tmp_path)
    argv = ["openssl", "pkey", "-in", str(tmp_path / KEY_FILE), "-pubout", "-outform", "DER"]
    der = process.run(argv, deadline=Deadline.after(60)).stdout
    assert hashlib.sha256(der).hexdigest() == fingerprint(key.public_key())
