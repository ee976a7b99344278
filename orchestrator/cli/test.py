"""test: the project's own tests."""

from __future__ import annotations

import os
import sys

from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, SpecError
from orchestrator.host import process
from orchestrator.host.packages import SSH, XORRISO
from orchestrator.machines import host_packages
from orchestrator.paths import IN_CHECKOUT, ROOT
from orchestrator.progress import shown


def test(everything: bool, extra: tuple[str, ...]) -> Exit:
    """Become pytest: the quick tests, or with ``everything`` those on real machines as well.

    Raises SpecError outside a checkout.
    """
    if not IN_CHECKOUT:
        raise SpecError("the tests are in isolab's source, which is not installed: run ./isolab test there")
    os.chdir(ROOT)
    argv = [sys.executable, "-m", "pytest", *(["-m", "not by_hand"] if everything else []), *extra]
    if everything:
        with shown() as progress:
            needs = [*host_packages.usual_needs(), XORRISO, SSH, host_packages.SSHD]
            needs += [host_packages.CHROMIUM, host_packages.QEMU_IMG, host_packages.MMDEBSTRAP]
            host_packages.ensure(needs, progress, Deadline.never())
    process.become(argv)
    return Exit.PASSED
