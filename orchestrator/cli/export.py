"""images export: an image as a machine for VMware, VirtualBox or any other PC."""

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
    """Write the file. Raises SpecError for what cannot be meant, Unavailable for what cannot be."""
    recipe = _recipe(name)
    arch = _arch(names)
    if form not in FORMATS:
        hint = did_you_mean(form, FORMATS) or f"formats: {', '.join(FORMATS)}"
        raise SpecError(f"images cannot be exported as {form!r}", hint=f"--format: {hint}")
    target = _target(out)
    called = machine or f"isolab-{name}"
    if not re.fullmatch(NAME_PATTERN, called):
        raise SpecError(f"{called!r} is no name for a machine", hint="lower-case letters, digits and dashes")
    owner = Owner(called, _authorised(key))
    if not KINDS[recipe.kind].our_init:
        raise Unavailable(
            f"image {name} is of kind {recipe.kind}: only micro images run from a RAM disk, which is "
            "what an exported machine does",
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
    say(f"{target}: {mib(target.stat().st_size)}; at its first boot it shows its address and host key")
    return Exit.PASSED


def _recipe(name: str) -> Recipe:
    known = recipes()
    if not name:
        raise SpecError("which image?", hint=f"isolab images export IMAGE; images: {', '.join(known)}")
    if name not in known:
        hint = did_you_mean(name, list(known)) or f"images in {RECIPES}: {', '.join(known)}"
        raise SpecError(f"there is no image {name!r}", hint=hint)
    return known[name]


def _arch(names: tuple[str, ...]) -> Arch:
    if len(names) > 1:
        raise SpecError("one architecture is exported at a time", hint="--arch amd64")
    return ARCHITECTURES[names[0]] if names else host_arch()


def _target(out: str) -> Path:
    if not out:
        raise SpecError("where to?", hint="--out FILE names the file to write")
    target = Path(out)
    if target.exists():
        raise SpecError(f"{target} is there already", hint="remove it, or name another file")
    if not target.absolute().parent.is_dir():
        raise SpecError(f"there is no folder {target.absolute().parent}", hint="make it first")
    return target


def _authorised(path: str) -> bytes:
    """The public keys that let in, checked: a machine nobody can enter is of no use."""
    if not path:
        raise SpecError(
            "whose key opens it?",
            hint="--authorized-key FILE names a public key, such as ~/.ssh/id_ed25519.pub",
        )
    file = Path(path).expanduser()
    try:
        text = file.read_text()
    except (OSError, UnicodeDecodeError) as problem:
        raise SpecError(f"cannot read {file}: {problem}", hint="--authorized-key FILE") from None
    if "PRIVATE KEY" in text:
        raise SpecError(f"{file} is a private key", hint=f"the public one is usually {file}.pub")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in lines:
        try:
            parse_host_key(line)
        except ValueError as problem:
            raise SpecError(f"{file}: {problem}", hint="ssh-keygen -t ed25519 makes a good one") from None
    if not lines:
        raise SpecError(f"{file} has no key in it", hint="--authorized-key FILE")
    return "".join(f"{line}\n" for line in lines).encode()
