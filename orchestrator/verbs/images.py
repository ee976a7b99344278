"""images build, list, verify, prune."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator import images, packages
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, ImageError, SpecError
from orchestrator.images import cache
from orchestrator.progress import shown
from orchestrator.recipes import recipes
from orchestrator.verbs.output import JSON, check_format, mib, say, say_json, table
from orchestrator.wording import did_you_mean

BUILD_SECONDS = 1800.0


def act(action: str, names: tuple[str, ...], form: str) -> Exit:
    """One of the four actions; ``names`` are architectures, none means all."""
    check_format(form)
    actions = {"build": build, "list": list_images, "verify": verify, "prune": prune}
    if action not in actions:
        hint = did_you_mean(action, list(actions)) or f"actions: {', '.join(actions)}"
        raise SpecError(f"images has no action {action!r}", hint=hint)
    for name in names:
        if name not in ARCHITECTURES:
            hint = did_you_mean(name, list(ARCHITECTURES)) or f"architectures: {', '.join(ARCHITECTURES)}"
            raise SpecError(f"there is no architecture {name!r}", hint=hint)
    return actions[action](names or tuple(ARCHITECTURES), form)


def build(names: Sequence[str], form: str) -> Exit:
    """Build what is not there yet, side by side."""
    wanted = [(recipe, ARCHITECTURES[name]) for recipe in recipes().values() for name in names]
    cancel = threading.Event()
    with shown() as progress:
        packages.ensure([packages.GPGV, packages.KEYS], progress, Deadline.never(cancel))
        archives = images.Archives(Deadline.after(BUILD_SECONDS, cancel))

        def one(about: tuple) -> images.Image:  # type: ignore[type-arg]
            recipe, arch = about
            who = f"image {recipe.image}/{arch.name}"
            progress.doing(who, "fetching packages, verifying, building", 12)
            image = images.build(recipe, arch, archives, Deadline.after(BUILD_SECONDS, cancel))
            progress.done(who, "ready")
            return image

        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) + 1) as pool:
            try:
                built = list(pool.map(one, wanted))
            except BaseException:
                cancel.set()
                raise
    _show(built, form)
    return Exit.PASSED


def list_images(names: Sequence[str], form: str) -> Exit:
    """The images in the cache."""
    _show(_current(names), form)
    return Exit.PASSED


def verify(names: Sequence[str], form: str) -> Exit:
    """Compare every file of every image with the hash noted when it was built."""
    found = _current(names)
    damaged = {image.key: bad for image in found if (bad := _damaged(image))}
    if form == JSON:
        say_json({"verified": [image.key for image in found if image.key not in damaged], "damaged": damaged})
    else:
        for image in found:
            files = ", ".join(damaged.get(image.key, ()))
            say(f"{image.name}/{image.arch}: " + (f"damaged: {files}" if files else "good"))
    if damaged:
        raise ImageError(
            f"{len(damaged)} damaged images",
            hint="`isolab images prune` removes them; the next run builds them anew",
        )
    return Exit.PASSED


def prune(_names: Sequence[str], form: str) -> Exit:
    """Remove downloads, boot disks, and images and templates that are damaged or no longer current."""
    keep = {image.key for image in _current(tuple(ARCHITECTURES)) if not _damaged(image)}
    doomed = [p for p in _folders("images") if p.name not in keep]
    doomed += [p for p in _folders("templates") if not _template_is_current(p, keep)]
    doomed += [*_folders("archive"), *_folders("disks"), *_folders("vdi")]
    freed = 0
    for folder in doomed:
        freed += sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        shutil.rmtree(folder)
    if form == JSON:
        say_json({"removed": [str(p) for p in doomed], "bytes": freed})
    else:
        say(f"removed {len(doomed)} things, {mib(freed)}")
    return Exit.PASSED


def _template_is_current(folder: Path, keep: set[str]) -> bool:
    try:
        return cache.meta(folder)["image_key"] in keep
    except (OSError, ValueError, KeyError):
        return False


def damaged_files(folder: Path) -> list[str]:
    """Files of an image whose content is not what was built; ["meta.json"] for an unreadable one."""
    try:
        noted = cache.meta(folder)["sha256"]
    except (OSError, ValueError, KeyError):
        return [cache.META]
    return [
        n for n, sha in noted.items() if not (folder / n).is_file() or cache.sha256_file(folder / n) != sha
    ]


def _damaged(image: images.Image) -> list[str]:
    return damaged_files(image.folder)


def _folders(kind: str) -> list[Path]:
    root = cache.place(kind, "x").parent
    return sorted(p for p in root.iterdir() if p.is_dir()) if root.exists() else []


def _current(names: Sequence[str]) -> list[images.Image]:
    found = (images.find(recipe, ARCHITECTURES[name]) for recipe in recipes().values() for name in names)
    return [image for image in found if image is not None]


def _show(found: Sequence[images.Image], form: str) -> None:
    about = [(image, cache.meta(image.folder)) for image in found]
    if form == JSON:
        say_json(
            [{"key": i.key, "folder": str(i.folder), **json.loads(json.dumps(meta))} for i, meta in about]
        )
        return
    rows = [
        (i.name, i.arch, m["kernel"], m["suite"], mib(sum(m["bytes"].values())), i.key[-12:])
        for i, m in about
    ]
    say(
        table(("IMAGE", "ARCH", "KERNEL", "DEBIAN", "SIZE", "KEY"), rows)
        if rows
        else "no images have been built"
    )
