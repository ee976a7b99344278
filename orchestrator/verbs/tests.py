"""test: the project's own tests."""

from __future__ import annotations

import os
import sys

from orchestrator import packages, proc
from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, SpecError
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
            needs = [
                packages.GPGV,
                packages.KEYS,
                packages.XORRISO,
                packages.CHROMIUM,
                *packages.engine_needs(),
            ]
            needs += [packages.SSH, packages.SSHD, packages.QEMU_IMG, packages.MMDEBSTRAP]
            needs += [packages.qemu_need(name) for name in ARCHITECTURES]
            packages.ensure(needs, progress, Deadline.never())
    proc.become(argv)
    return Exit.PASSED
