"""Drivers: one folder for each kind of machine. No driver imports another.

Beside the folders lies what they share: ``base`` the protocols, ``model`` orders and handles, ``guest``
what machines with a kernel or a root file system of their own have in common, ``host_process`` those
that are processes of this host.
"""

from __future__ import annotations

import importlib
from typing import cast

from orchestrator.drivers.base import Driver


def load(name: str) -> Driver:
    """The driver of this name: ``DRIVER`` in the module ``driver`` of its folder."""
    module = importlib.import_module(f"orchestrator.drivers.{name}.driver")
    return cast(Driver, module.DRIVER)
