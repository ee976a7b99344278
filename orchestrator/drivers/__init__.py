"""Drivers: one folder for each kind of machine. No driver imports another."""

from __future__ import annotations

import importlib
from typing import cast

from orchestrator.drivers.base import Driver


def load(name: str) -> Driver:
    """The driver of this name: ``DRIVER`` in the module ``driver`` of its folder."""
    module = importlib.import_module(f"orchestrator.drivers.{name}.driver")
    return cast(Driver, module.DRIVER)
