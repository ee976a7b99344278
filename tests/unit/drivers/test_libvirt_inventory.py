"""What is left on a libvirt daemon is known by the names that isolab gives: those of this version, and of the
one before, whose runs had shorter ids."""

from __future__ import annotations

import re

from orchestrator.drivers.libvirt.inventory import RUN_NAME
from orchestrator.results.store import new_run_id


def test_the_run_of_a_name_is_found() -> None:
    for run in (new_run_id(), "20261130-071829-31b9"):
        found = re.fullmatch(rf"{RUN_NAME}(.+)", f"isolab-{run}-net.lan")
        assert found is not None
        assert found.groups() == (run, "net.lan")
