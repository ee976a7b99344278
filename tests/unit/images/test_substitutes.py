"""A mirror that lacks packages of its own index: the image is made of the release before, and says so."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, Arch
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import ImageError, NotOnMirror
from orchestrator.images import micro
from orchestrator.labfile.image_catalog import recipes
from orchestrator.progress import Progress, SilentProgress

RECIPE = recipes()["micro"]
S390X = ARCHITECTURES["s390x"]


class Mirror:
    """Stands in for building: fails for the releases of which packages are missing."""

    def __init__(self, *lacking: str) -> None:
        self.lacking = set(lacking)
        self.asked: list[str] = []

    def build(
        self, _recipe: object, arch: Arch, _archives: object, folder: Path, _: object
    ) -> dict[str, Any]:
        self.asked.append(arch.suite)
        if arch.suite in self.lacking:
            raise NotOnMirror(f"libc6 of {arch.suite} is not on the mirror")
        (folder / "kernel").write_text(f"{arch.suite} {arch.toolchain.libgcc}")
        return {"suite": arch.suite}


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path))
    made = Mirror("trixie")
    monkeypatch.setattr(micro, "build", made.build)
    return made


class Notes(SilentProgress):
    """What people were told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        self.words.append(f"{who}: {what}")

    def done(self, who: str, what: str = "") -> None:
        self.words.append(f"{who}: {what}")

    def tell(self, text: str) -> None:
        self.words.append(text)


def build(arch: Arch = S390X, progress: Progress | None = None) -> images.Image:
    return obtain(arch, progress, renew=True)


def obtain(arch: Arch = S390X, progress: Progress | None = None, renew: bool = False) -> images.Image:
    deadline = Deadline.after(60)
    archives = Archives(deadline)
    return images.obtain(RECIPE, arch, archives, progress or SilentProgress(), deadline, renew=renew)


def test_people_are_told_of_the_substitute_when_it_is_built(mirror: Mirror) -> None:
    told = Notes()
    obtain(progress=told)
    why = "image micro/s390x: built from Debian bookworm: libc6 of trixie is not on the mirror"
    assert told.words == [
        "image micro/s390x: fetching packages, verifying, building",
        "image micro/s390x: ready",
        f"{why}; run `isolab images build` to try again",
    ]
    told.words.clear()
    obtain(progress=told)
    assert told.words == []
    build(progress=told)
    assert told.words[-1] == why


def test_a_substitute_is_told_of_where_images_are_listed(mirror: Mirror) -> None:
    both = [(RECIPE, S390X), (RECIPE, ARCHITECTURES["amd64"])]
    assert images.substitutions(both) == []
    build()
    assert images.substitutions(both) == [
        "image micro/s390x: built from Debian bookworm: libc6 of trixie is not on the mirror; "
        "run `isolab images build` to try again"
    ]
    mirror.lacking.clear()
    build()
    assert images.substitutions(both) == []


def test_a_turn_is_waited_for_only_when_something_is_built(mirror: Mirror) -> None:
    turns: list[list[str]] = []

    @contextlib.contextmanager
    def turn() -> Iterator[None]:
        turns.append([*mirror.asked])
        yield

    deadline = Deadline.after(60)
    for _ in range(2):
        images.obtain(RECIPE, S390X, Archives(deadline), SilentProgress(), deadline, turn=turn())
    assert turns == [[]]


def test_an_older_index_is_told_of(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Notes()
    monkeypatch.setattr(micro, "build", lambda *_: {"suite": "trixie", "outdated": True})
    obtain(progress=told)
    why = "built from an earlier package index; the mirror is being updated"
    assert told.words[-1] == f"image micro/s390x: {why}; run `isolab images build` to try again"


def test_one_run_tells_of_the_mirror_once(mirror: Mirror) -> None:
    told, deadline = Notes(), Deadline.after(60)
    archives = Archives(deadline)
    for arch in (S390X, ARCHITECTURES["riscv64"], S390X):
        images.obtain(RECIPE, arch, archives, told, deadline)
    assert len([words for words in told.words if "stands in" in words or "built from" in words]) == 1


def test_the_release_before_stands_in_and_the_reason_is_kept(mirror: Mirror) -> None:
    image = build()
    assert image.kernel.read_text() == "bookworm libgcc-12-dev"
    assert image.arch == "s390x"
    assert images.substitution(image) == "built from Debian bookworm: libc6 of trixie is not on the mirror"


def test_a_substitute_is_found_without_asking_the_mirror_again(mirror: Mirror) -> None:
    built = build()
    assert images.find(RECIPE, S390X) == built
    assert obtain() == built
    assert mirror.asked == ["trixie", "bookworm"]


def test_building_again_replaces_the_substitute_when_the_mirror_is_complete(mirror: Mirror) -> None:
    substitute = build()
    mirror.lacking.clear()
    proper = build()
    assert proper.key != substitute.key
    assert images.substitution(proper) == ""
    assert images.find(RECIPE, S390X) == proper


def test_when_the_release_before_fails_too_the_first_reason_is_told(mirror: Mirror) -> None:
    mirror.lacking.add("bookworm")
    with pytest.raises(NotOnMirror, match="libc6 of trixie"):
        build()


def test_any_other_trouble_is_not_covered_up(mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> None:
    def forged(*_: object) -> dict[str, Any]:
        raise ImageError("does not match the signed index")

    monkeypatch.setattr(micro, "build", forged)
    with pytest.raises(ImageError, match="signed index"):
        build()


def test_what_is_of_the_oldest_release_has_no_substitute(mirror: Mirror) -> None:
    mirror.lacking.add("bookworm")
    with pytest.raises(NotOnMirror, match="bookworm"):
        build(ARCHITECTURES["amd64"])
