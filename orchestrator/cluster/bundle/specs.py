"""Models of lab, exercise and recipe files as plain data, and back.

What travels is what was set, so that a model that comes back equals the one that was sent, whatever was
changed after loading: a driver, a time limit, a student's parameters.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from orchestrator.errors import SpecError
from orchestrator.units import size_text

Model = TypeVar("Model", bound=BaseModel)
_SIZES = frozenset({"memory", "disk", "output_limit"})
"""Fields in bytes: models take them with a unit only, as files have them."""


def to_data(model: BaseModel) -> dict[str, Any]:
    """Return a model's fields that are set, in the model's order, as JSON has them. Raises TypeError for a
    value that JSON does not have."""
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        if name not in model.model_fields_set:
            continue
        value = getattr(model, name)
        is_size = name in _SIZES and isinstance(value, int)
        found[field.alias or name] = size_text(value) if is_size else _plain(value)
    return found


def from_data(model: type[Model], data: Any) -> Model:
    """Return the model of ``to_data``. Raises SpecError for data of another version of isolab."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise SpecError(
            f"this isolab does not understand the {model.__name__} of a bundle: {where}: {first['msg']}",
            hint="use the same version of isolab on the controller and on all hosts: `isolab cluster up`",
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return to_data(value)
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{type(value).__name__} is not part of JSON")
