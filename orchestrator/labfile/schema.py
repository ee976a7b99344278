"""JSON Schemas of the files people write, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.labfile.models import Exercise, Hidden, Lab


def schema() -> dict[str, Any]:
    """JSON Schema of lab files."""
    result = _for_editors(Lab.model_json_schema(by_alias=True))
    # A machine's driver may come from the defaults, which JSON Schema cannot say.
    result["$defs"]["Machine"].pop("required")
    for model in ("Machine", "MachineDefaults"):
        arch = result["$defs"][model]["properties"]["arch"]
        one = next(each for each in arch["anyOf"] if each.get("type") != "null")
        arch["anyOf"].append({"type": "array", "items": one, "minItems": 1})
    return result


def exercise_schema() -> dict[str, Any]:
    """JSON Schema of exercise files."""
    return _with_shorthands(Exercise)


def hidden_schema() -> dict[str, Any]:
    """JSON Schema of the hidden tests of exercises."""
    return _with_shorthands(Hidden)


def _with_shorthands(model: type[Exercise | Hidden]) -> dict[str, Any]:
    """The schema of a model with ``run`` and ``build``, both of which have shorthands."""
    result = _for_editors(model.model_json_schema(by_alias=True))
    properties = result["properties"]
    shorthands: Mapping[str, dict[str, Any]] = {
        "run": {"type": "string", "minLength": 1},
        "build": {"$ref": "#/$defs/Build"},
    }
    for key, shorthand in shorthands.items():
        properties[key] = {"anyOf": [shorthand, properties[key]]}
    return result


def _for_editors(result: dict[str, Any]) -> dict[str, Any]:
    """Name the dialect, and omit defaults in bytes or seconds, which are not what a file contains."""
    for model in (result, *result["$defs"].values()):
        for described in model.get("properties", {}).values():
            if described.get("type") == "string" and not isinstance(described.get("default", ""), str):
                del described["default"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}
