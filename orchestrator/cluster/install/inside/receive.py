"""Receive parts of isolab on standard input, and make a version of them.

First a line of JSON: ``folder``; ``parts``, each with ``key``, ``size`` and ``sha256``, whose archives follow
one after the other; ``version``: its ``digest``, ``parts`` (keys, all of them), ``release``, ``python`` and
``scripts`` (name: text). Prints a line every few seconds while it works, and in the end one with a word, and
JSON with what went wrong, or "".

Folders get their names when they are complete: several hosts may have the folder in common, and anyone may be
killed at any moment.
"""

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

CHUNK = 1 << 20
ABANDONED_SECONDS = 86400.0
UNUSED_SECONDS = 30 * 86400.0
"""A version touches its folder whenever it is started."""
ALIVE_SECONDS = 10.0
"""A busy host unpacks for minutes: the other end tells it from one that is gone."""


def receive(stream: IO[bytes]) -> None:
    """Do what the first line says. Raises OSError, EOFError, ValueError, KeyError, tarfile.TarError."""
    order = json.loads(stream.readline())
    parts, versions = (Path(order["folder"], name) for name in ("parts", "versions"))
    for folder in (parts, versions):
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder.glob(".new-*"), ABANDONED_SECONDS)
    for part in order["parts"]:
        with _fresh(parts, part["key"]) as made:
            _unpack(stream, part, made)
    version = order["version"]
    with _fresh(versions, version["digest"]) as made:
        _compose(version, parts, made)
    _forget((path for path in versions.iterdir() if path.name != version["digest"]), UNUSED_SECONDS)
    links = (path for path in versions.glob("*/lib/*/site-packages/*") if path.is_symlink())
    used = {link.readlink().parts[-2] for link in links}
    _forget((path for path in parts.iterdir() if path.name not in used), UNUSED_SECONDS)


@contextlib.contextmanager
def _fresh(above: Path, name: str) -> Iterator[Path]:
    """Make a folder under another name, and give it its own in the end."""
    made = Path(tempfile.mkdtemp(prefix=".new-", dir=above))
    try:
        made.chmod(0o755)
        yield made
        try:
            made.rename(above / name)
        except OSError:
            if not (above / name).is_dir():
                raise  # else another was quicker, with the same
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _forget(folders: Iterator[Path], seconds: float) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > seconds:
                shutil.rmtree(folder, ignore_errors=True)


def _unpack(stream: IO[bytes], part: Mapping[str, Any], folder: Path) -> None:
    digest, left = hashlib.sha256(), part["size"]
    with tempfile.TemporaryFile(dir=folder) as file:
        while left:
            data = stream.read(min(left, CHUNK))
            if not data:
                raise EOFError(f"the connection ended in the middle of {part['key']}")
            digest.update(data)
            file.write(data)
            left -= len(data)
        if digest.hexdigest() != part["sha256"]:
            raise ValueError(f"{part['key']} arrived damaged: its digest is another")
        file.seek(0)
        with tarfile.open(fileobj=file, mode="r:gz") as archive:
            if hasattr(tarfile, "data_filter"):  # Python 3.11.4
                archive.extraction_filter = tarfile.data_filter
            archive.extractall(folder)


def _compose(version: Mapping[str, Any], parts: Path, folder: Path) -> None:
    """Make a virtual environment, as Python's documentation of venv describes one, whose packages are links
    to the parts."""
    packages = folder / "lib" / f"python{version['release']}" / "site-packages"
    packages.mkdir(parents=True)
    (folder / "bin").mkdir()
    for key in version["parts"]:
        for path in (parts / key).iterdir():
            (packages / path.name).symlink_to(f"../../../../../parts/{key}/{path.name}")
    (folder / "bin" / "python").symlink_to(version["python"])
    settings = f"home = {Path(version['python']).parent}\ninclude-system-site-packages = false\n"
    (folder / "pyvenv.cfg").write_text(settings)
    for name, text in version["scripts"].items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)


@contextlib.contextmanager
def _said_alive() -> Iterator[None]:
    ended = threading.Event()

    def say() -> None:
        while not ended.wait(ALIVE_SECONDS):
            print("isolab-receiving", flush=True)

    thread = threading.Thread(target=say)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _main() -> None:
    os.umask(0o022)
    problem = ""
    try:
        with _said_alive():
            receive(sys.stdin.buffer)
    except (OSError, EOFError, ValueError, KeyError, tarfile.TarError) as caught:
        problem = str(caught) or type(caught).__name__
    print("isolab-received", json.dumps({"problem": problem}))


if __name__ == "__main__":
    _main()
