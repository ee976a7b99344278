"""The machines of a lab file: defaults merged in, architectures chosen, and what is wrong with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from orchestrator.arch import ARCHITECTURES, UnknownHost, host_arch
from orchestrator.driver_traits import TRAITS
from orchestrator.errors import Problem
from orchestrator.labfile import yaml_document
from orchestrator.labfile.check_machine import MachineCheck
from orchestrator.labfile.foreign_arch import resolve
from orchestrator.labfile.image_catalog import least_memory
from orchestrator.labfile.image_recipe import KINDS, Recipe
from orchestrator.labfile.messages import ValidatedDocument
from orchestrator.labfile.models import Machine, MachineDefaults
from orchestrator.labfile.yaml_document import Document

_WITH_UNIT = ("memory", "boot_timeout", "timeout", "output_limit")


def host_name() -> str:
    """Return this host's architecture by Debian's name, "" if isolab does not know it."""
    try:
        return host_arch().name
    except UnknownHost:
        return ""


def units_as_text(data: Any) -> Any:
    """``data`` with bare numbers as text where a size or duration is expected: files carry units."""
    if not isinstance(data, dict):
        return data
    return {
        key: str(value) if key in _WITH_UNIT and type(value) in (int, float) else value
        for key, value in data.items()
    }


def _mapping(data: Any, key: str) -> dict[str, Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def with_defaults(document: Document, host: str, images: Mapping[str, int]) -> ValidatedDocument:
    """Return the file with defaults merged into its machines, which are complete then. ``host`` is the
    architecture it is for, ``images`` maps images to the least memory each needs, in bytes."""
    defaults = units_as_text(_mapping(document.data, "defaults"))
    inherited = {
        key: value
        for key, value in defaults.items()
        if value is not None and key in MachineDefaults.model_fields
    }
    written = _mapping(document.data, "machines")
    machines: dict[str, Any] = {}
    names: dict[str, str] = {}  # of machines named after the architecture they got, as written
    for name, own in written.items():
        if not isinstance(own, dict):
            machines[name] = own
            continue
        resolved, title = resolve({**inherited, **units_as_text(own)}, str(name), host)
        called = name if title == str(name) or title in written or title in machines else title
        names[called] = name
        machines[called] = _complete(_located(resolved, document.file), host, images)
    defaults, _ = resolve(defaults, "", host)

    def origin(path: yaml_document.Path) -> yaml_document.Path:
        if len(path) > 1 and path[0] == "machines":
            path = ("machines", names.get(str(path[1]), path[1]), *path[2:])
        is_inherited = len(path) > 2 and path[0] == "machines" and path[:3] not in document.places
        return ("defaults", *path[2:]) if is_inherited and path[2] in inherited else path

    data = document.data
    if isinstance(data, dict):
        replaced = {"defaults": defaults, "machines": machines}
        data = {key: replaced[key] if isinstance(value, dict) and key in replaced else value
                for key, value in data.items()}  # fmt: skip
    return ValidatedDocument(document, data, origin)


def _located(machine: dict[str, Any], file: str) -> dict[str, Any]:
    """``machine`` with its private key's path made absolute: in the file it is relative to the lab."""
    key = machine.get("key")
    if not isinstance(key, str) or not key:
        return machine
    with contextlib.suppress(RuntimeError):  # ~user does not exist: opening the file reports that
        key = str(Path(key).expanduser())
    return {**machine, "key": str(Path(file).resolve().parent / key)}


def _complete(machine: dict[str, Any], host: str, images: Mapping[str, int]) -> dict[str, Any]:
    """``machine`` with the memory its architecture and image need, unless the lab sets it."""
    traits = TRAITS.get(str(machine.get("driver")))
    if "memory" in machine or traits is None or not traits.guest:
        return machine
    arch = ARCHITECTURES.get(str(machine.get("arch") or host))
    least = max(arch.memory if arch else 0, images.get(str(machine.get("image")), 0))
    usual = Machine.model_fields["memory"].default
    return {**machine, "memory": f"{least}B"} if least > usual else machine


def machine_problems(
    validated: ValidatedDocument, images: Mapping[str, int], own: Mapping[str, Recipe], host: str
) -> Iterator[Problem]:
    """Report what is wrong with the machines of ``with_defaults``. ``own`` are recipes beside the file."""
    known = {**images, **least_memory(own)}
    boxed = {name for name, recipe in own.items() if KINDS[recipe.kind].boxed}
    for name, merged in _mapping(validated.data, "machines").items():
        if isinstance(merged, dict):
            written = str(validated.origin(("machines", name))[1])
            yield from MachineCheck(validated.document, written, merged, known, host, boxed).problems()
