"""When a test with real machines fails, what their consoles said is part of its report."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says what else the machine is doing, nothing about the code.
settings.register_profile("isolab", deadline=None)
settings.load_profile("isolab")


@pytest.fixture(scope="session")
def libvirt_system() -> Iterator[None]:
    """This host's libvirtd and virtlogd, started if they are not there (tests/support/daemons.py)."""
    from daemons import of_this_host

    with of_this_host():
        yield


@pytest.fixture(scope="session")
def libvirt_daemons(libvirt_system: None) -> Iterator[object]:
    """libvirt's daemons of this host and of a user's session, and an SSH server to reach them by."""
    from daemons import daemons

    with daemons() as found:
        yield found


CONSOLES = pytest.StashKey[list[Path]]()
"""Folders beneath which the consoles of a test's machines are; fixtures append to it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for log in _consoles(item):
            words = log.read_text(errors="replace").splitlines()[-25:]
            report.sections.append((f"end of {log}", "\n".join(words)))
    return report


def _consoles(item: pytest.Item) -> Iterator[Path]:
    for folder in item.session.stash.get(CONSOLES, []):
        yield from sorted(folder.rglob("console.log"))


def keep_consoles(config: pytest.Session, folder: Path) -> None:
    """Print the consoles beneath ``folder`` should a test fail from now on."""
    config.stash.setdefault(CONSOLES, []).append(folder)
