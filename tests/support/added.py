"""A driver that isolab does not have, added as docs/contributing.md says: a row and a folder."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from orchestrator import driver_traits, drivers
from orchestrator.driver_traits import Boundary, DriverTraits

FOLDER = Path(__file__).parent / "added_driver"
"""Stands beside ``orchestrator/drivers`` and holds the folder ``plain``."""
ROW = DriverTraits(Boundary.PROCESS, Boundary.PROCESS, on_host=True)


@contextmanager
def plain_driver() -> Iterator[None]:
    """There is a driver ``plain`` for the length of a ``with`` block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(driver_traits._ROWS, "plain", ROW)
        patch.setattr(drivers, "__path__", [*drivers.__path__, str(FOLDER)])
        try:
            yield
        finally:
            for name in [name for name in sys.modules if name.startswith("orchestrator.drivers.plain")]:
                del sys.modules[name]
