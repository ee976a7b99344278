"""What of a class file is right by itself, so that contradictions are found beside other mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from orchestrator.classes.spec import Access, ClassLab, ClassSpec, Quota
from orchestrator.labfile.messages import Model, validate
from orchestrator.labfile.models import Machine, Network, Spec

_LEAST = {"class": "any", "machines": {"any": {"driver": "qemu"}}}
_PARTS: Mapping[str, type[Spec]] = {"quota": Quota, "access": Access}
_ENTRIES: Mapping[str, type[Spec]] = {"machines": Machine, "shared": Machine, "networks": Network}


@dataclass(frozen=True)
class Sound:
    """A class file without its wrong parts. ``labs`` are its labs, by their place in the list. What the
    ``spec`` does not have may be in the file, and wrong."""

    spec: ClassSpec
    labs: Mapping[int, ClassLab]


def sound(data: Any, spec: ClassSpec | None) -> Sound:
    """Return what is right of a class file's data; ``spec`` if all of it is."""
    if spec is not None:
        return Sound(spec, dict(enumerate(spec.labs)))
    given: dict[str, Any] = data if isinstance(data, dict) else {}
    listed = given.get("labs")
    labs = {
        at: right
        for at, one in enumerate(listed if isinstance(listed, list) else [])
        if (right := _right(ClassLab, one))
    }
    kept: dict[str, Any] = {"labs": [listed[at] for at in labs] if isinstance(listed, list) else []}
    for key, value in given.items():
        if key in _ENTRIES and isinstance(value, dict):
            kept[key] = {name: one for name, one in value.items() if _right(_ENTRIES[key], one)}
        elif key in _PARTS and isinstance(value, dict):
            kept[key] = {name: one for name, one in value.items() if _right(_PARTS[key], {name: one})}
        elif key != "labs" and key in _KEYS:
            kept[key] = value
    return Sound(validate(ClassSpec, {**_LEAST, **_alone_right(kept)}), labs)


_KEYS = {field.alias or name for name, field in ClassSpec.model_fields.items()}


def _alone_right(kept: Mapping[str, Any]) -> dict[str, Any]:
    """The keys whose values are right by themselves."""
    return {key: value for key, value in kept.items() if _right(ClassSpec, {**_LEAST, key: value})}


def _right(model: type[Model], data: Any) -> Model | None:
    try:
        return validate(model, data)
    except ValidationError:
        return None
