"""JSON Schemas of the files people write, for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import models_json_schema

from orchestrator.labfile.image_recipe import KINDS
from orchestrator.labfile.models import Exercise, Hidden, Lab


def schema() -> dict[str, Any]:
    """JSON Schema of lab files."""
    result = for_editors(Lab.model_json_schema(by_alias=True))
    # A machine's driver may come from the defaults, which JSON Schema cannot say.
    result["$defs"]["Machine"].pop("required")
    with_arch_lists(result, "Machine", "MachineDefaults")
    return result


def with_arch_lists(result: Mapping[str, Any], *models: str) -> None:
    """Allow a list where these models have an architecture, as files may (``foreign_arch``)."""
    for model in models:
        arch = result["$defs"][model]["properties"]["arch"]
        one = next(each for each in arch["anyOf"] if each.get("type") != "null")
        arch["anyOf"].append({"type": "array", "items": one, "minItems": 1})


def exercise_schema() -> dict[str, Any]:
    """JSON Schema of exercise files."""
    return _with_shorthands(Exercise)


def hidden_schema() -> dict[str, Any]:
    """JSON Schema of the hidden tests of exercises."""
    return _with_shorthands(Hidden)


def _with_shorthands(model: type[Exercise | Hidden]) -> dict[str, Any]:
    """The schema of a model with ``run`` and ``build``, both of which have shorthands."""
    result = for_editors(model.model_json_schema(by_alias=True))
    properties = result["properties"]
    shorthands: Mapping[str, dict[str, Any]] = {
        "run": {"type": "string", "minLength": 1},
        "build": {"$ref": "#/$defs/Build"},
    }
    for key, shorthand in shorthands.items():
        about = properties[key].pop("description")
        properties[key] = {"description": about, "anyOf": [shorthand, properties[key]]}
    return result


def image_schema() -> dict[str, Any]:
    """JSON Schema of image recipes: one of the kinds."""
    models = [kind.recipe for kind in KINDS.values()]
    _, result = models_json_schema([(model, "validation") for model in models], by_alias=True)
    kinds = [{"$ref": f"#/$defs/{model.__name__}"} for model in models]
    return for_editors({"title": "Image recipe", "oneOf": kinds, **result})


def for_editors(result: dict[str, Any]) -> dict[str, Any]:
    """Name the dialect, describe models by their first sentence (the rest is for developers), and omit
    defaults in bytes or seconds, which are not what a file contains."""
    for model in (result, *result.get("$defs", {}).values()):
        if "description" in model:
            words = " ".join(model["description"].replace("``", "").split())
            model["description"] = words.partition(". ")[0].rstrip(".") + "."
        for described in model.get("properties", {}).values():
            if described.get("type") == "string" and not isinstance(described.get("default", ""), str):
                del described["default"]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **result}
