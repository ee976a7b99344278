"""Drivers: one folder for each kind of machine. No driver imports another.

Shared parts: ``base`` has the protocols, ``model`` orders and handles, ``guest`` what machines with their
own kernel or root file system have in common, ``host_process`` the same for processes of this host.
"""

from __future__ import annotations

import importlib
from typing import cast

from orchestrator.drivers.base import Driver


def load(name: str) -> Driver:
    """Load the driver with this name: ``DRIVER`` in the module ``driver`` of its folder."""
    module = importlib.import_module(f"orchestrator.drivers.{name}.driver")
    return cast(Driver, module.DRIVER)
