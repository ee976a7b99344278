"""What is said before an image is built that takes minutes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.images.first_start import announcement
from orchestrator.labfile.image_recipe import Recipe, read

ARCH = ARCHITECTURES["arm64"]
DEBIAN = read({"image": "debian", "kind": "full", "packages": [], "modules": []})
MICRO = read({"image": "micro", "kind": "micro", "packages": {}})


@pytest.fixture(autouse=True)
def cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_CACHE", str(tmp_path))
    return tmp_path


def remember(cache: Path, kind: str, name: str, **facts: float) -> None:
    (cache / kind / name).mkdir(parents=True)
    (cache / kind / name / "meta.json").write_text(json.dumps(facts))


def said(recipe: Recipe = DEBIAN) -> str:
    return announcement(recipe, ARCH, 240.0)


def test_an_image_that_is_soon_there_is_not_announced() -> None:
    assert said(MICRO) == ""


def test_before_the_first_time_it_is_an_estimate() -> None:
    assert "about 4 min (an estimate): 4 min to build the image, 15 s to boot" in said()


def test_later_it_is_what_it_took_the_last_time(cache_folder: Path) -> None:
    remember(cache_folder, "images", "debian-arm64-0a", build_seconds=611.0)
    remember(cache_folder, "images", "debian-amd64-0a", build_seconds=20.0)
    remember(cache_folder, "images", "debian-arm64-0b", bytes=3)
    remember(cache_folder, "templates", "debian-arm64-0c", boot_seconds=70.0)
    assert "about 11 min (as last time): 10 min to build the image, 1 min to boot" in said()
