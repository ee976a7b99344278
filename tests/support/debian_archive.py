"""A Debian archive of a few packages, made by hand and signed with a throw-away key."""

from __future__ import annotations

import hashlib
import io
import lzma
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from orchestrator.deadline import Deadline
from orchestrator.host import process

SUITE = "trixie"
FILES = {"usr/bin/tool": b"#!/bin/sh\n", "usr/share/doc/tool/README": b"read me\n"}


def gpg(home: Path, *words: str | Path) -> bytes:
    env = {"GNUPGHOME": str(home), "PATH": os.environ["PATH"]}
    argv: list[str | Path] = ["gpg", "--quiet", "--batch", "--yes", "--pinentry-mode", "loopback"]
    return process.run([*argv, "--passphrase", "", *words], deadline=Deadline.after(60), env=env).stdout


@contextmanager
def signer(name: str) -> Iterator[Path]:
    """A GnuPG home with one key; short path, for it holds the agent's socket."""
    with TemporaryDirectory(prefix="il") as folder:
        home = Path(folder)
        gpg(home, "--quick-generate-key", f"{name} <{name}@example.org>", "ed25519", "sign", "never")
        (home / "ring.gpg").write_bytes(gpg(home, "--export"))
        try:
            yield home
        finally:
            env = {"GNUPGHOME": folder, "PATH": os.environ["PATH"]}
            process.run(["gpgconf", "--kill", "all"], deadline=Deadline.after(60), env=env)


def ar(members: Mapping[str, bytes]) -> bytes:
    """An archive as deb(5) and ar(5) describe it."""
    blocks = [b"!<arch>\n"]
    for name, data in members.items():
        blocks.append(f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        blocks.append(data + b"\n" * (len(data) % 2))
    return b"".join(blocks)


def data_tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(f"./{path}")
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return buffer.getvalue()


def deb(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    return ar(
        {"debian-binary": b"2.0\n", "control.tar.xz": data_tar({}), "data.tar.xz": data_tar(files, links)}
    )


@dataclass
class MadeArchive:
    """An archive on disk. ``packed`` and ``release`` are written as they are, changed by tests."""

    root: Path
    home: Path
    suite: str = SUITE
    stanzas: list[str] = field(default_factory=list)

    def add(self, name: str, content: bytes, depends: str = "") -> Path:
        path = f"pool/{name}.deb"
        (self.root / "pool").mkdir(parents=True, exist_ok=True)
        (self.root / path).write_bytes(content)
        about = f"Package: {name}\nVersion: 1.0\n" + (f"Depends: {depends}\n" if depends else "")
        sha = hashlib.sha256(content).hexdigest()
        self.stanzas.append(f"{about}Filename: {path}\nSize: {len(content)}\nSHA256: {sha}\n")
        return self.root / path

    @property
    def in_release(self) -> Path:
        return self.root / "dists" / self.suite / "InRelease"

    def publish(self, packed: bytes | None = None) -> None:
        """Write the index and the signed release file that vouches for it."""
        if packed is None:
            packed = lzma.compress("\n".join(self.stanzas).encode())
        index = self.in_release.parent / "main" / "binary-amd64" / "Packages.xz"
        index.parent.mkdir(parents=True, exist_ok=True)
        index.write_bytes(packed)
        sha = hashlib.sha256(packed).hexdigest()
        path = "main/binary-amd64/Packages.xz"
        self.in_release.write_bytes(
            self.signed(f"Suite: stable\nCodename: {self.suite}\nSHA256:\n {sha} {len(packed)} {path}\n")
        )

    def signed(self, text: str, home: Path | None = None) -> bytes:
        plain = self.root / "Release"
        plain.write_text(text)
        return gpg(home or self.home, "--output", "-", "--clearsign", plain)
