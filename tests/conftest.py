"""Which tests are run, and what a failed one on real machines leaves: what their consoles said."""

from __future__ import annotations

import gc
import itertools
import re
import signal
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import tiers
from consoles import copied, kept_consoles
from hypothesis import settings

# How long an example takes says what else the machine is doing, nothing about the code.
settings.register_profile("isolab", deadline=None)
settings.load_profile("isolab")

_NUMBERS = itertools.count()
UNIT = Path(__file__).parent / "unit"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("isolab")
    group.addoption("--ci", action="store_true", help="leave out what only --all runs")
    group.addoption("--beyond-ci", action="store_true", help="run only what --ci leaves out")
    days = range(1, tiers.DAYS + 1)
    group.addoption(
        "--day",
        type=int,
        choices=days,
        default=tiers.today(),
        help="which part --ci takes of the tests that take turns: the day of the week, 1 is Monday "
        "(default: today)",
    )
    group.addoption("--results", type=Path, help="folder for the consoles of the machines of failed tests")


def pytest_report_header(config: pytest.Config) -> str | None:
    if not config.getoption("ci"):
        return None
    day = config.getoption("day")
    return f"tests that take turns: part {day} of {tiers.DAYS} (--args '--day {day}' takes it again)"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen = items
    beyond = config.getoption("beyond_ci")
    if config.getoption("ci") or beyond:
        inside = list(tiers.in_ci(items, config.getoption("day")))
        chosen = [item for item in items if item not in inside] if beyond else inside
        config.hook.pytest_deselected(items=list(set(items).difference(chosen)))
    items[:] = tiers.group(chosen)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tests that run apart though they share a machine would disturb each other now and then."""
    # What collecting made stays to the end: to look it through for garbage again and again takes a twentieth
    # of the quick tests' time.
    gc.freeze()
    if getattr(session.config.option, "loadgroup", False):
        tiers.require_groups(session.items)


@pytest.fixture(scope="session", autouse=True)
def heeded_signals() -> None:
    """Signals end what the tests start, also where they were started in the background or by nohup(1), which
    ignore some: whoever is started inherits that."""
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def nobodys_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(autouse=True)
def state_of_nobody(request: pytest.FixtureRequest, nobodys_state: Path) -> Iterator[None]:
    """Quick tests know nothing of the machines that whoever runs them has up. A test that is about a state
    folder has another."""
    with pytest.MonkeyPatch.context() as patch:  # one of its own: it is undone after all of a test's
        if UNIT in request.path.parents:
            patch.setenv("ISOLAB_STATE", str(nobodys_state))
        yield


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


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the test's own, as pytest's fixture of this name gives one. That one looks all folders
    through for a free number, and there are thousands."""
    words = re.sub(r"\W", "_", request.node.name)[:25]
    return tmp_path_factory.mktemp(f"{next(_NUMBERS)}-{words}", numbered=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for log in kept_consoles(item.session):
            words = log.read_text(errors="replace").splitlines()[-25:]
            report.sections.append((f"end of {log}", "\n".join(words)))
        if results := item.config.getoption("results"):
            copied(item, results / "consoles")
    return report
