"""What a host does with what it is sent: the program that runs there, run here."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from habitat import wait_until

from orchestrator.cluster.install.inside import receive as program
from orchestrator.cluster.install.probe import program as source
from orchestrator.cluster.install.version import Version
from orchestrator.deadline import Deadline
from orchestrator.host import process

RELEASE = f"{sys.version_info[0]}.{sys.version_info[1]}"
SCRIPTS = {"bin/run": "#!/bin/sh\n"}


def archive(files: Mapping[str, str]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as packed:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755 if text.startswith("#!") else 0o644
            packed.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue())


def order(folder: Path, sent: Mapping[str, bytes], digest: str = "d1", keep: tuple[str, ...] = ()) -> bytes:
    """All that is sent for a version of these parts, and of those that are there."""
    about = {
        "folder": str(folder),
        "parts": [
            {"key": key, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for key, data in sent.items()
        ],
        "version": {
            "digest": digest,
            "parts": [*sent, *keep],
            "release": RELEASE,
            "python": os.path.realpath(sys.executable),
            "scripts": SCRIPTS,
        },
    }
    return json.dumps(about).encode() + b"\n" + b"".join(sent.values())


def receive(data: bytes) -> None:
    program.receive(io.BytesIO(data))


PARTS = {
    "one-1": archive({"one_module.py": "WORD = 'one'\n", "one-1.dist-info/METADATA": "Name: one\n"}),
    "two-2": archive({"two/__init__.py": "WORD = 'two'\n", "two/tool": "#!/bin/sh\necho ran\n"}),
}


def test_a_version_is_an_environment_of_links_to_its_parts(tmp_path: Path) -> None:
    receive(order(tmp_path, PARTS))
    python = tmp_path / "versions/d1/bin/python"
    words = "import sys, one_module, two; print(one_module.WORD, two.WORD, sys.prefix, *sys.path[-1:])"
    done = process.run([python, "-P", "-c", words], deadline=Deadline.after(60))
    packages = tmp_path / f"versions/d1/lib/python{RELEASE}/site-packages"
    assert done.stdout.decode().split() == ["one", "two", str(tmp_path / "versions/d1"), str(packages)]
    assert (packages / "two/tool").stat().st_mode & 0o777 == 0o755
    assert (packages / "two").readlink() == Path("../../../../../parts/two-2/two")


def test_the_next_version_brings_only_what_is_new(tmp_path: Path) -> None:
    receive(order(tmp_path, PARTS))
    (tmp_path / f"versions/d1/lib/python{RELEASE}/site-packages/__pycache__").mkdir()  # Python's own
    before = (tmp_path / "parts/two-2").stat().st_ino
    receive(order(tmp_path, {"one-2": archive({"one_module.py": "WORD = 'new'\n"})}, "d2", ("two-2",)))
    assert sorted(path.name for path in (tmp_path / "versions").iterdir()) == ["d1", "d2"]
    assert (tmp_path / "parts/two-2").stat().st_ino == before
    assert (tmp_path / f"versions/d2/lib/python{RELEASE}/site-packages/one_module.py").read_text() == (
        "WORD = 'new'\n"
    )


def left(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))


@pytest.mark.parametrize("cut", [1, 100, len(PARTS["two-2"])])
def test_a_connection_that_ends_in_the_middle_leaves_whole_parts_only(tmp_path: Path, cut: int) -> None:
    with pytest.raises(EOFError, match="ended in the middle of two-2"):
        receive(order(tmp_path, PARTS)[:-cut])
    assert left(tmp_path) == ["parts/one-1"]


def test_a_damaged_part_is_not_kept(tmp_path: Path) -> None:
    data = bytearray(order(tmp_path, PARTS))
    data[-20] ^= 1
    with pytest.raises(ValueError, match="two-2 arrived damaged"):
        receive(bytes(data))
    assert left(tmp_path) == ["parts/one-1"]


def test_two_hosts_of_one_folder_may_bring_the_same(tmp_path: Path) -> None:
    receive(order(tmp_path, PARTS))
    receive(order(tmp_path, PARTS))
    assert left(tmp_path) == ["parts/one-1", "parts/two-2", "versions/d1"]


def test_what_was_not_started_for_a_month_is_removed_and_what_was_is_not(tmp_path: Path) -> None:
    receive(order(tmp_path, PARTS))
    receive(order(tmp_path, {"one-2": PARTS["one-1"]}, "d2", ("two-2",)))
    abandoned = tmp_path / "parts/.new-abandoned"
    abandoned.mkdir()
    for path in tmp_path.glob("*/*"):
        os.utime(path, (1e9, 1e9))
    os.utime(tmp_path / "versions/d2")
    receive(order(tmp_path, {}, "d3", ("one-2",)))
    assert left(tmp_path) == ["parts/one-2", "parts/two-2", "versions/d2", "versions/d3"]


def test_the_program_runs_from_its_input_and_says_what_is_wrong(tmp_path: Path) -> None:
    code = source("receive")
    first = f"import sys; exec(compile(sys.stdin.buffer.read({len(code)}), 'receive', 'exec'))"

    def answer(data: bytes) -> Any:
        argv = [sys.executable, "-I", "-c", first]
        said = process.run(argv, deadline=Deadline.after(60), stdin=code + data).stdout.decode()
        return json.loads(said.removeprefix("isolab-received "))["problem"]

    assert answer(order(tmp_path / "a", PARTS)) == ""
    (tmp_path / "file").touch()
    assert "Not a directory" in answer(order(tmp_path / "file", PARTS))
    assert "ended in the middle" in answer(order(tmp_path / "b", PARTS)[:-5])


class TestTheScripts:
    @pytest.fixture
    def top(self, tmp_path: Path) -> Path:
        """A version whose Python says what it was started with."""
        folder = tmp_path / "a b" / "versions" / "d1"
        (folder / "bin").mkdir(parents=True)
        (folder / "bin/python").write_text('#!/bin/sh\nprintf "%s\\n" "$ISOLAB_STATE" "$ISOLAB_CACHE" "$@"\n')
        (tmp_path / "uname").write_text("#!/bin/sh\necho lab1\n")
        for path in (folder / "bin/python", tmp_path / "uname"):
            path.chmod(0o755)
        return tmp_path / "a b"

    def started(
        self, top: Path, script: str, *words: str, own_cache: bool = False, host: str = ""
    ) -> list[str]:
        version = Version(("one-1",), "/usr/bin/python3", RELEASE, own_cache)
        path = top / "versions/d1" / script
        path.write_text(version.scripts[script])
        if host:
            (top.parent / "uname").write_text(f"#!/bin/sh\necho '{host}'\n")
        search = f"{top.parent}:{os.environ['PATH']}"
        argv = ["/bin/sh", str(path), *words]
        done = process.run(argv, deadline=Deadline.after(60), env={"PATH": search, "PYTHONPATH": "/x"})
        return done.stdout.decode().splitlines()

    def test_the_command_and_python(self, top: Path) -> None:
        state, cache, *words = self.started(top, "bin/isolab", "agent", "a b")
        assert state.startswith(f"{top}/hosts/lab1-")
        assert cache == ""
        assert words == ["-P", "-c", "from orchestrator.cli.main import main; main()", "agent", "a b"]
        assert self.started(top, "bin/run", "-m", "x")[2:] == ["-P", "-m", "x"]

    def test_a_folder_that_was_chosen_has_the_cache_too(self, top: Path) -> None:
        assert self.started(top, "bin/run", own_cache=True)[1] == f"{top}/cache"

    def test_hosts_of_one_folder_have_a_state_each_for_their_owner_only(self, top: Path) -> None:
        one, other = (self.started(top, "bin/run", host=name)[0] for name in ("lab1", "lab2/../x y"))
        assert one != other
        assert Path(other).parent == top / "hosts"
        assert Path(other).stat().st_mode & 0o777 == 0o700


def test_who_works_for_long_says_that_it_is_alive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(program, "ALIVE_SECONDS", 0.01)
    monkeypatch.setattr(os, "umask", lambda _: 0o022)
    ours, theirs = os.pipe()
    said: list[str] = []

    def speaks() -> bool:
        said.append(capsys.readouterr().out)
        return "isolab-receiving\n" in "".join(said)

    with os.fdopen(ours) as there, os.fdopen(theirs, "wb") as here:
        monkeypatch.setattr(sys, "stdin", there)
        host = threading.Thread(target=program._main)
        host.start()
        try:
            wait_until(speaks, "a word while nothing has arrived")
            here.write(order(tmp_path, PARTS))
        finally:
            here.close()
            host.join()
    last = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(last.removeprefix("isolab-received ")) == {"problem": ""}


def test_the_digest_is_that_of_parts_python_and_scripts() -> None:
    base = Version(("a-1", "b-2"), "/usr/bin/python3.11", "3.11", False)
    others = [
        Version(("a-1", "b-3"), base.python, base.release, False),
        Version(base.parts, "/usr/local/bin/python3.11", base.release, False),
        Version(base.parts, base.python, base.release, True),
    ]
    assert len({version.digest for version in [base, *others]}) == 4
