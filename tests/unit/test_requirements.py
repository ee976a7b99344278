"""The lock files hold what ``pyproject.toml`` asks for: exact versions, with hashes, of the same packages."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from orchestrator.paths import ROOT

NAMES = ("isolab", "dev", "libvirt", "similarity", "class")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


@cache
def locked(name: str) -> dict[str, list[Requirement]]:
    """What a lock file pins, by package; a package may have several pins, for different environments."""
    found: dict[str, list[Requirement]] = {}
    for entry in _entries(name):
        requirement = Requirement(entry.split("--hash", 1)[0])
        found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def _entries(name: str) -> list[str]:
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def wanted(name: str) -> list[str]:
    """What ``pyproject.toml`` asks of a lock file."""
    file: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = file["project"]["optional-dependencies"]
    if name in ("libvirt", "similarity", "class"):
        return list(extras[name])
    own = [*file["project"]["dependencies"], *file["build-system"]["requires"]]
    return own + (extras["dev"] if name == "dev" else [])


@pytest.mark.parametrize("name", NAMES)
def test_every_line_pins_one_version_with_its_hashes(name: str) -> None:
    for entry in _entries(name):
        assert re.fullmatch(r"[a-z0-9.-]+==[^ ;*]+( ;[^;]+?)?( +--hash=sha256:[0-9a-f]{64})+", entry), entry


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_asked_for_is_locked(name: str, python: str) -> None:
    """`requirements/lock` writes them anew."""
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    for text in wanted(name):
        asked = Requirement(text)
        pins = [
            pin
            for pin in locked(name).get(canonicalize_name(asked.name), [])
            if pin.marker is None or pin.marker.evaluate(environment)
        ]
        assert len(pins) == 1, f"{text}: {pins} in requirements/{name}.txt"
        (version,) = (specifier.version for specifier in pins[0].specifier)
        assert asked.specifier.contains(version, prereleases=True), f"{text}: {version} is locked"


def test_nothing_is_locked_that_nothing_asks_for() -> None:
    """What is installed here, at its locked version, says what it needs in turn."""
    for name in ("isolab", "dev"):
        reached: set[NormalizedName] = set()
        todo = [canonicalize_name(Requirement(text).name) for text in wanted(name)]
        while todo:
            package = todo.pop()
            if package not in reached:
                reached.add(package)
                todo += _needs(package)
        elsewhere = {package for package, pins in locked(name).items() if not _here(pins)}
        assert locked(name).keys() - elsewhere <= reached
        assert reached <= locked(name).keys()


def _needs(package: str) -> list[NormalizedName]:
    try:
        asked = [Requirement(text) for text in distribution(package).requires or ()]
    except PackageNotFoundError:
        return []
    return [canonicalize_name(r.name) for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]


def _here(pins: list[Requirement]) -> bool:
    return any(pin.marker is None or pin.marker.evaluate() for pin in pins)


def test_the_lock_files_agree() -> None:
    both = locked("isolab").keys() & locked("dev").keys()
    assert both == locked("isolab").keys()
    for package in both:
        assert [str(pin) for pin in locked("isolab")[package]] == [str(p) for p in locked("dev")[package]]


def test_extras_agree_with_what_isolab_needs() -> None:
    both = locked("isolab").keys() & locked("similarity").keys()
    assert "jinja2" in both
    for package in both:
        assert [str(pin) for pin in locked("isolab")[package]] == [
            str(p) for p in locked("similarity")[package]
        ]


def test_the_developers_have_what_the_class_needs() -> None:
    both = locked("dev").keys() & locked("class").keys()
    assert both == locked("class").keys()
    for package in both:
        assert {pin.specifier for pin in locked("dev")[package]} == {
            pin.specifier for pin in locked("class")[package]
        }


def test_what_builds_the_project_is_named_once_more_for_the_lock() -> None:
    file = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert file["dependency-groups"]["build"] == file["build-system"]["requires"]
