"""When a test with real machines fails, what their consoles said is part of its report."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest
from consoles import kept_consoles
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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for log in kept_consoles(item.session):
            words = log.read_text(errors="replace").splitlines()[-25:]
            report.sections.append((f"end of {log}", "\n".join(words)))
    return report
