"""The project built, and its wheel installed where there is no checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from command import Answer
from habitat import Home, fresh_home

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

pytestmark = pytest.mark.real

SECONDS = 600.0
LOCK = ROOT / "requirements" / "isolab.txt"


@dataclass(frozen=True)
class Installed:
    """A virtual environment with isolab in it, and a home for what the command keeps."""

    venv: Path
    home: Home

    def isolab(self, *words: str | Path, prefix: tuple[str, ...] = ()) -> Answer:
        """Run the installed command in the home, where no module of a checkout is found."""
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        done = process.run(
            [*prefix, self.venv / "bin/isolab", *words],
            deadline=Deadline.after(SECONDS),
            env={**env, **self.home.variables, "TMPDIR": str(self.home.root)},
            cwd=self.home.root,
            check=False,
        )
        return Answer(done.code, done.stdout.decode(), done.stderr.decode())

    @property
    def package(self) -> Path:
        return next((self.venv / "lib").glob("python3*/site-packages/orchestrator"))


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The wheel and the source archive, by the ending of their names."""
    folder = tmp_path_factory.mktemp("dist")
    process.run(
        [sys.executable, "-P", "-m", "hatchling", "build", "-d", folder],
        deadline=Deadline.after(SECONDS),
        cwd=ROOT,
    )
    return {path.suffix: path for path in folder.iterdir()}


@pytest.fixture(scope="module")
def installed(archives: dict[str, Path]) -> Iterator[Installed]:
    """isolab from the wheel, in an environment that had nothing but the locked packages.

    The compiler among them is linked from our environment: it is most of the files, by far.
    """
    with fresh_home() as home:
        venv = home.root / "venv"
        limit = Deadline.after(SECONDS)
        process.run([sys.executable, "-P", "-m", "venv", venv], deadline=limit)
        pip = (venv / "bin/python", "-P", "-m", "pip", "install", "-q", "--disable-pip-version-check")
        lock = home.root / "lock.txt"
        lock.write_text(re.sub(r"(?m)^ziglang==.*\n(?:    .*\n)+", "", LOCK.read_text()))
        process.run([*pip, "--no-compile", "--require-hashes", "-r", lock], deadline=limit)
        process.run([*pip, "--no-deps", archives[".whl"]], deadline=limit)
        found = Installed(venv, home)
        for path in Path(sysconfig.get_path("platlib")).glob("ziglang*"):
            (found.package.parent / path.name).symlink_to(path)
        yield found


def test_the_source_archive_is_the_checkout(archives: dict[str, Path]) -> None:
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = process.run(listing, deadline=Deadline.after(60), cwd=ROOT, check=False)
    if done.code != 0:
        pytest.skip("this is no checkout of git's")
    kept = {name for name in done.stdout.decode().split("\0") if name and (ROOT / name).exists()}
    with tarfile.open(archives[".gz"]) as archive:
        names = {member.name.split("/", 1)[1]: member.mode for member in archive if member.isfile()}
    assert names.keys() - {"PKG-INFO"} == kept
    assert names["isolab"] & stat.S_IXUSR


def test_the_source_archive_makes_the_same_wheel(archives: dict[str, Path], tmp_path: Path) -> None:
    pip = [sys.executable, "-P", "-m", "pip", "wheel", "-q", "--disable-pip-version-check"]
    words = ("--no-deps", "--no-build-isolation", "--wheel-dir", tmp_path, archives[".gz"])
    process.run([*pip, *words], deadline=Deadline.after(SECONDS))
    (wheel,) = tmp_path.iterdir()
    assert _contents(wheel) == _contents(archives[".whl"])


def _contents(wheel: Path) -> dict[str, tuple[int, int]]:
    """The names in a wheel, each with its checksum and its mode."""
    with zipfile.ZipFile(wheel) as archive:
        return {entry.filename: (entry.CRC, entry.external_attr) for entry in archive.infolist()}


def test_the_wheel_takes_no_names_but_its_own(archives: dict[str, Path]) -> None:
    with zipfile.ZipFile(archives[".whl"]) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"orchestrator", "isolab"}
    assert "orchestrator/py.typed" in names
    for folder in ("labs", "images", "docs/labs"):
        ours = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.is_file()}
        data = "orchestrator/package_data/"
        assert {name.removeprefix(data) for name in names if name.startswith(data + folder)} == ours


def test_it_explains_itself(installed: Installed) -> None:
    answer = installed.isolab("--help")
    assert answer.code == 0
    assert "  copy " in answer.stdout


def test_a_built_in_lab_by_name(installed: Installed) -> None:
    valid = installed.isolab("validate", "separation", "--format", "json")
    assert json.loads(valid.stdout)["valid"]
    planned = installed.isolab("plan", "separation", "--only", "process", "--format", "json")
    assert [machine["name"] for machine in json.loads(planned.stdout)["machines"]] == ["process"]
    _runs(installed, "separation")


def test_a_copy_is_edited_and_run(installed: Installed) -> None:
    copied = installed.isolab("copy", "separation", "mine", "--format", "json")
    assert copied.code == 0, copied.stderr
    file = installed.home.root / "mine/memory/address-space/exercise.yaml"
    file.write_text(file.read_text().replace("title: ", "title: My own "))
    assert json.loads(installed.isolab("validate", "mine", "--format", "json").stdout)["valid"]
    folder = _runs(installed, "mine")
    assert "title: My own" in (folder / "exercises/memory/address-space/exercise.yaml").read_text()


def test_a_lab_of_ones_own_with_built_in_exercises(installed: Installed) -> None:
    lab = installed.home.root / "own"
    lab.mkdir()
    (lab / "lab.yaml").write_text(
        "lab: own\ntitle: Own\nmachines: {bare: {driver: process}}\nexercises: [ipc/pipe]\n"
    )
    assert installed.isolab("run", "own", "--out", "own-out").code == 0


def test_another_module_called_tasks_is_not_taken(installed: Installed) -> None:
    other = installed.package.parent / "tasks.py"
    other.write_text("raise SystemExit('somebody else\\'s tasks were loaded')\n")
    answer = installed.isolab("schema")
    other.unlink()
    assert answer.code == 0, answer.stderr


def test_the_tests_are_not_there(installed: Installed) -> None:
    answer = installed.isolab("test")
    assert answer.code == 2
    assert "installed isolab has no tests" in answer.stderr


_READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'


def test_a_read_only_installation(installed: Installed) -> None:
    """The package cannot be written to, and what is copied from it can."""
    for path in (installed.package, *installed.package.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    root = os.getuid() == 0  # whom the modes do not keep from writing
    prefix = ("unshare", "--mount", "sh", "-c", _READ_ONLY, str(installed.package)) if root else ()
    _runs(installed, "separation", prefix)
    solved = ("--only", "process", "--exercise", "work/close-the-ends", "--out", "solved")
    answer = installed.isolab("run", "workshop", *solved, prefix=prefix)
    assert answer.code == 0, answer.stderr
    assert installed.isolab("copy", "workshop", "writable", prefix=prefix).code == 0
    copied = installed.home.root / "writable"
    assert all(path.stat().st_mode & stat.S_IWUSR for path in (copied, *copied.rglob("*")))


def _runs(installed: Installed, lab: str, prefix: tuple[str, ...] = ()) -> Path:
    """Run some of a lab's exercises on this host; returns the folder of the run."""
    out = installed.home.root / f"out-{lab}"
    shutil.rmtree(out, ignore_errors=True)
    own = "./" if lab == "mine" else ""
    words = ("--only", "process", "--exercise", f"{own}memory/address-space,{own}ipc/pipe", "--out", out)
    answer = installed.isolab("run", lab, *words, prefix=prefix)
    assert answer.code == 0, answer.stderr
    assert len((out / "records.jsonl").read_text().splitlines()) == 2
    return out
