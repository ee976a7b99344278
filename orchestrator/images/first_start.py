"""How long the first start of an image with a disk takes: it is built, then booted once as a template.

As long as the last time here, which images and templates in the cache remember; else an estimate.
"""

from __future__ import annotations

from orchestrator.arch import Arch
from orchestrator.host import cache
from orchestrator.labfile.image_recipe import KINDS, Recipe

BUILT_IN, BOOTED_IN = "build_seconds", "boot_seconds"
"""Facts of images, and of templates."""


def announcement(recipe: Recipe, arch: Arch, expected: float) -> str:
    """Return what to tell before an image is built, if that takes long, else ""; ``expected`` is an
    estimate in seconds."""
    if not recipe.disk:
        return ""
    built, booted = (
        _last("images", BUILT_IN, recipe, arch),
        _last("templates", BOOTED_IN, recipe, arch),
    )
    build = built or expected
    boot = booted or arch.boot_seconds * KINDS[recipe.kind].effort
    how = "as last time" if built else "an estimate"
    if KINDS[recipe.kind].by_cloud_init:
        return f"making it takes about {_text(build)}, once ({how})"
    return (
        f"the first start takes about {_text(build + boot)} ({how}): {_text(build)} to build the image, "
        f"{_text(boot)} to boot a machine once; the next ones are its clones and start in seconds"
    )


def _last(kind: str, fact: str, recipe: Recipe, arch: Arch) -> float:
    """The newest measurement; 0 if there is none."""
    newest, seconds = 0.0, 0.0
    for about in cache.place(kind, "").glob(f"{recipe.image}-{arch.name}-*/{cache.META}"):
        try:
            measured, when = float(cache.meta(about.parent)[fact]), about.stat().st_mtime
        except (OSError, ValueError, KeyError):
            continue
        if when > newest:
            newest, seconds = when, measured
    return seconds


def _text(seconds: float) -> str:
    """A rough time: nobody waits for exactly 83 seconds."""
    if seconds < 55:
        return f"{max(5, round(seconds / 5) * 5)} s"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else "1 min"
