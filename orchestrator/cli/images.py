"""images build, list, verify, prune; export is ``orchestrator.cli.export``."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orchestrator import drivers, images
from orchestrator.arch import ARCHITECTURES, Arch
from orchestrator.cli.output import JSON, check_format, mib, say, say_json, table
from orchestrator.cluster.install.pack import KIND as PACKED
from orchestrator.deadline import Cancellation
from orchestrator.debian.archive import Archives
from orchestrator.driver_traits import TRAITS
from orchestrator.drivers.base import Storing
from orchestrator.errors import Exit, ImageError, SpecError
from orchestrator.formatting import counted
from orchestrator.host import cache
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import Recipe
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.machines import host_packages
from orchestrator.progress import shown

Chosen = Sequence[tuple[Recipe, Arch]]


def act(action: str, names: tuple[str, ...], form: str, chosen: tuple[str, ...] = ()) -> Exit:
    """Perform one of the four actions; ``names`` are architectures, ``chosen`` images; empty means all.

    For build, all means the images without a disk, which take seconds.
    """
    check_format(form)
    actions = {"build": build, "list": list_images, "verify": verify, "prune": prune}
    if action not in actions:
        known = [*actions, "export"]
        hint = did_you_mean(action, known) or f"actions: {', '.join(known)}"
        raise SpecError(f"unknown action {action!r}", hint=hint)
    _require(names)
    there = recipes()
    for name in chosen:
        if name not in there:
            hint = did_you_mean(name, list(there)) or f"images: {', '.join(there)}"
            raise SpecError(f"unknown image {name!r}", hint=hint)
    taken = [r for r in there.values() if r.image in chosen or not (chosen or (action == "build" and r.disk))]
    arches = names or tuple(ARCHITECTURES)
    return actions[action]([(recipe, ARCHITECTURES[name]) for recipe in taken for name in arches], form)


def export(image: str, names: tuple[str, ...], form: str, out: str, key: str, machine: str) -> Exit:
    """Export an image as a machine for other programs; see ``orchestrator.cli.export``."""
    from orchestrator.cli.export import export_image

    _require(names)
    return export_image(image, names, form, out, key, machine)


def _require(names: Sequence[str]) -> None:
    for name in names:
        if name not in ARCHITECTURES:
            hint = did_you_mean(name, list(ARCHITECTURES)) or f"architectures: {', '.join(ARCHITECTURES)}"
            raise SpecError(f"unknown architecture {name!r}", hint=hint)


def build(wanted: Chosen, form: str) -> Exit:
    """Build the missing images in parallel."""
    cancellation = Cancellation()
    with shown() as progress:
        needs = [host_packages.GPGV, host_packages.KEYS]
        for recipe, arch in wanted:
            needs += [need for need in host_packages.image_needs(recipe, arch.name) if need not in needs]
        host_packages.ensure(needs, progress, cancellation.deadline())
        archives = Archives(cancellation.deadline(images.BUILD_SECONDS))

        def one(about: tuple[Recipe, Arch]) -> images.Image:
            return images.obtain(*about, archives, progress, cancellation.deadline(), renew=True)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0)) + 1) as pool:
            try:
                built = list(pool.map(one, wanted))
            except BaseException:
                cancellation.cancel()
                raise
    _show(built, form)
    return Exit.PASSED


def list_images(wanted: Chosen, form: str) -> Exit:
    """List the images in the cache."""
    _show(_current(wanted), form)
    if form != JSON:
        for words in images.substitutions(wanted):
            say(words)
    return Exit.PASSED


def verify(wanted: Chosen, form: str) -> Exit:
    """Check every file of every image against its hash from the build."""
    found = _current(wanted)
    damaged = {image.key: bad for image in found if (bad := images.damaged(image.folder))}
    if form == JSON:
        say_json({"verified": [image.key for image in found if image.key not in damaged], "damaged": damaged})
    else:
        for image in found:
            files = ", ".join(damaged.get(image.key, ()))
            say(f"{image.name}/{image.arch}: " + (f"damaged: {files}" if files else "ok"))
    if damaged:
        raise ImageError(
            counted(len(damaged), "damaged image"),
            hint="`isolab images prune` removes damaged images; the next run rebuilds them",
        )
    return Exit.PASSED


def prune(_wanted: Chosen, form: str) -> Exit:
    """Remove downloads, boot disks, what was packed for other hosts, and images, templates and frozen
    emulators that are damaged or no longer current."""
    everything = [(recipe, arch) for recipe in recipes().values() for arch in ARCHITECTURES.values()]
    keep = {image.key for image in _current(everything) if not images.damaged(image.folder)}
    doomed = [p for p in _folders("images") if p.name not in keep]
    doomed += [p for p in _folders("templates") if not _template_is_current(p, keep)]
    doomed += [p for p in _folders("frozen") if not _frozen_is_current(p, keep)]
    doomed += [*_folders("archive"), *_folders("disks"), *_folders("vdi"), *_folders(PACKED)]
    freed = 0
    for folder in doomed:
        freed += sum(f.stat().st_size for f in folder.rglob("*") if f.is_file())
        shutil.rmtree(folder)
    copies = [copy for name in TRAITS for copy in _pruned_copies(name, keep)]
    if form == JSON:
        say_json({"removed": [*map(str, doomed), *copies], "bytes": freed})
    else:
        say(f"removed {counted(len(doomed) + len(copies), 'item')}, {mib(freed)}")
    return Exit.PASSED


def _pruned_copies(name: str, keep: Collection[str]) -> Iterator[str]:
    driver = drivers.load(name)
    if isinstance(driver, Storing):
        yield from driver.prune(keep)


def _template_is_current(folder: Path, keep: set[str]) -> bool:
    try:
        return cache.meta(folder)["image_key"] in keep
    except (OSError, ValueError, KeyError):
        return False


def _frozen_is_current(folder: Path, keep: set[str]) -> bool:
    """Whether a frozen emulator is of a template that is kept: its memory is in the template's file."""
    try:
        template = str(cache.meta(folder)["template"])
    except (OSError, ValueError, KeyError):
        return False
    return _template_is_current(cache.place("templates", template), keep)


def _folders(kind: str) -> list[Path]:
    root = cache.place(kind, "x").parent
    return sorted(p for p in root.iterdir() if p.is_dir()) if root.exists() else []


def _current(wanted: Chosen) -> list[images.Image]:
    found = (images.find(recipe, arch) for recipe, arch in wanted)
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
        else "no images built yet; `isolab images build` builds them"
    )
