"""What every kind of recipe has in common: a model, and a module that builds it."""

from __future__ import annotations

import importlib
from typing import get_args

import pytest

from orchestrator.arch import host_arch
from orchestrator.labfile.image_recipe import Recipe

MODELS = get_args(get_args(Recipe)[0])
KINDS = [get_args(model.model_fields["kind"].annotation)[0] for model in MODELS]


@pytest.mark.parametrize("kind", KINDS)
def test_a_module_builds_it_and_says_how_long_that_takes(kind: str) -> None:
    module = importlib.import_module(f"orchestrator.images.{kind}")
    assert callable(module.inputs)
    assert callable(module.build)
    assert module.expected_seconds(host_arch()) > 0


@pytest.mark.parametrize("model", MODELS)
def test_it_knows_its_least_memory_and_its_disk(model: type) -> None:
    assert hasattr(model, "memory") or "memory" in model.model_fields  # type: ignore[attr-defined]
    assert hasattr(model, "disk") or "disk" in model.model_fields  # type: ignore[attr-defined]
