"""images export: export an image as a machine for VMware, VirtualBox or any other PC."""

from __future__ import annotations

import re
from pathlib import Path

from orchestrator import images
from orchestrator.arch import ARCHITECTURES, Arch, host_arch
from orchestrator.cli.output import mib, say
from orchestrator.deadline import Cancellation
from orchestrator.debian.archive import Archives
from orchestrator.errors import Exit, SpecError, Unavailable
from orchestrator.host.packages import XORRISO
from orchestrator.images.export.appliance import Owner, disk
from orchestrator.images.export.ovf import FORMATS, export
from orchestrator.labfile.image_catalog import recipes
from orchestrator.labfile.image_recipe import KINDS, Recipe
from orchestrator.labfile.models import NAME_PATTERN
from orchestrator.labfile.ssh_endpoint import parse_host_key
from orchestrator.labfile.suggest import did_you_mean
from orchestrator.machines import host_packages
from orchestrator.paths import RECIPES
from orchestrator.progress import shown

EXPORT_SECONDS = 1800.0


def export_image(name: str, names: tuple[str, ...], form: str, out: str, key: str, machine: str) -> Exit:
    """Write the exported file. Raises SpecError for bad arguments, Unavailable if this host cannot do it."""
    recipe = _recipe(name)
    arch = _arch(names)
    if form not in FORMATS:
        hint = did_you_mean(form, FORMATS) or f"formats: {', '.join(FORMATS)}"
        raise SpecError(f"unknown export format {form!r}", hint=f"--format: {hint}")
    target = _target(out)
    called = machine or f"isolab-{name}"
    if not re.fullmatch(NAME_PATTERN, called):
        raise SpecError(f"invalid machine name {called!r}", hint="use lower-case letters, digits and hyphens")
    owner = Owner(called, _authorised(key))
    if not KINDS[recipe.kind].our_init:
        raise Unavailable(
            f"cannot export image {name} of kind {recipe.kind}: an exported machine runs from a RAM "
            "disk, which only micro images support",
            hint="isolab images export micro",
        )
    cancellation = Cancellation()
    with shown() as progress:
        needs = [host_packages.GPGV, host_packages.KEYS, XORRISO, host_packages.QEMU_IMG]
        host_packages.ensure(needs, progress, cancellation.deadline())
        deadline = cancellation.deadline(EXPORT_SECONDS)
        archives = Archives(deadline)
        image = images.obtain(recipe, arch, archives, progress, deadline, renew=True)
        who = images.name_of(recipe, arch)
        progress.doing(who, "adding a kernel with drivers for PCs", 20)
        raw = disk(image, arch, owner, archives, deadline)
        progress.doing(who, f"writing {target.name}", 5)
        export(raw, form, target, called, arch.name, deadline)
        progress.done(who, "exported")
    say(f"{target}: {mib(target.stat().st_size)}; on first boot, the machine shows its address and host key")
    return Exit.PASSED


def _recipe(name: str) -> Recipe:
    known = recipes()
    if not name:
        raise SpecError(
            "missing image name", hint=f"use isolab images export IMAGE; images: {', '.join(known)}"
        )
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"images in {RECIPES}: {', '.join(known)}"
        raise SpecError(f"unknown image {name!r}", hint=hint)
    return known[name]


def _arch(names: tuple[str, ...]) -> Arch:
    if len(names) > 1:
        raise SpecError("can export only one architecture at a time", hint="name one, such as --arch amd64")
    return ARCHITECTURES[names[0]] if names else host_arch()


def _target(out: str) -> Path:
    if not out:
        raise SpecError("missing --out", hint="use --out FILE to name the file to write")
    target = Path(out)
    if target.exists():
        raise SpecError(f"{target} already exists", hint="remove it, or name another file")
    if not target.absolute().parent.is_dir():
        raise SpecError(f"no such folder: {target.absolute().parent}", hint="create it first")
    return target


def _authorised(path: str) -> bytes:
    """Read and check the authorized public keys: without one, nobody could log in."""
    if not path:
        raise SpecError(
            "missing --authorized-key",
            hint="use --authorized-key FILE to name a public key, such as ~/.ssh/id_ed25519.pub",
        )
    file = Path(path).expanduser()
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise SpecError(
            f"cannot read {file}: {problem}", hint="use --authorized-key FILE to name a public key"
        ) from None
    if "PRIVATE KEY" in text:
        raise SpecError(f"{file} is a private key", hint=f"the public key is usually {file}.pub")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        try:
            parse_host_key(line)
        except ValueError as problem:
            raise SpecError(f"{file}: {problem}", hint="create a key with ssh-keygen -t ed25519") from None
    if not lines:
        raise SpecError(f"{file} contains no key", hint="use --authorized-key FILE to name a public key")
    return "".join(f"{line}\n" for line in lines).encode()
