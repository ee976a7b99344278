"""test: run the project's own tests: the quick ones; those of CI, on real machines; or all."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum

from orchestrator.arch import ARCHITECTURES, host_arch
from orchestrator.cli import images
from orchestrator.cli.output import say
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit, SpecError
from orchestrator.host import process
from orchestrator.host.packages import SSH, XORRISO, Need, program
from orchestrator.labfile.models import Machine
from orchestrator.machines import host_packages
from orchestrator.paths import IN_CHECKOUT, ROOT
from orchestrator.progress import shown

RESULTS = ROOT / "test-results"
"""JUnit files, coverage, and the consoles of failed tests' machines."""
QUICK_SECONDS = 1200.0
QUICK = ("--ignore=tests/machines", "--ignore=tests/hostile")
"""None of the quick tests is there, and to load these folders takes as long as many of them."""
ON_MACHINES = ("--ignore=tests/unit",)
"""Nor is any other test there."""
MOST_WORKERS = 4
"""The most tests at a time: each may have several machines up."""
ENGINES = ("podman", "docker")
ROOTLESS = Need("newuidmap", program("newuidmap"), ("uidmap",))
"""For tests of containers run by an ordinary user, which the tests create."""
NETWORKS = (
    Need("ip", program("ip"), ("iproute2",)),
    Need("iptables", program("iptables"), ("iptables",)),
)
"""What makes hosts of a cluster, and cuts the links between them."""
SLOWEST = 25
"""How many of the slowest tests are listed at the end."""


class Tier(StrEnum):
    """Which tests to run. Each tier includes the one before."""

    QUICK = "quick"
    CI = "ci"
    ALL = "all"


def tier_of(ci: bool, everything: bool) -> Tier:
    """Return the tier for two options of the command. Raises SpecError when both are given."""
    if ci and everything:
        raise SpecError("--ci and --all are mutually exclusive", hint="--all includes the tests of --ci")
    if everything:
        return Tier.ALL
    return Tier.CI if ci else Tier.QUICK


def test(tier: Tier, extra: tuple[str, ...]) -> Exit:
    """Run the tests of a tier; ``extra`` are further arguments for pytest, which may select some.

    The quick tests run while this host is prepared for the others. Those run in parallel, except for
    the few that need the host to themselves.
    """
    if not IN_CHECKOUT:
        raise SpecError("an installed isolab has no tests: run ./isolab test in a source checkout")
    os.chdir(ROOT)
    if tier is Tier.QUICK:
        # The extra arguments may ask for a debugger, or a single test.
        process.become(_pytest(*(extra or (*_parallel("worksteal"), *QUICK))))
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir()
    with ThreadPoolExecutor(1) as pool:
        quick = pool.submit(_quick_tests)
        with shown() as progress:
            host_packages.ensure(_needs(), progress, Deadline.never())
        images.act("build", (), "text")
        passed, words = quick.result()
    say(words)
    chosen = [*(["--ci"] if tier is Tier.CI else []), *extra]
    alone = _on_machines("alone", "alone", chosen)
    # Half of their time such tests wait for what machines do by the clock.
    spread = _parallel("loadgroup", more=1)
    others = _on_machines("machines", "(real or nested) and not alone", [*spread, *chosen])
    return Exit.PASSED if passed and alone and others else Exit.FAILED


def _quick_tests() -> tuple[bool, str]:
    """Run the quick tests with coverage; returns whether they passed, and pytest's output."""
    env = {**os.environ, "COVERAGE_FILE": str(RESULTS / ".coverage")}
    measured = ["--cov=orchestrator", f"--cov-report=xml:{RESULTS / 'coverage.xml'}"]
    argv = _pytest(*_parallel("worksteal"), *QUICK, *_reported("quick"), *measured)
    done = process.run(argv, deadline=Deadline.after(QUICK_SECONDS), env=env, check=False)
    total = [sys.executable, "-m", "coverage", "report", "--format=total"]
    percent = process.run(total, deadline=Deadline.after(QUICK_SECONDS), env=env, check=False)
    words = (done.stdout + done.stderr).decode(errors="replace")
    covered = percent.stdout.decode().strip()
    return done.code == 0, f"{words}\nthe quick tests cover {covered} % of the package's lines"


def _on_machines(name: str, which: str, options: Sequence[str]) -> bool:
    """Run tests on real machines, shown as they run; ``which`` is an expression of marks."""
    sys.stdout.flush()
    argv = _pytest("-m", f"({which}) and not by_hand", *ON_MACHINES, *_reported(name), *options)
    with process.attached(argv, sys.stdout.fileno()) as status:
        # 5: nothing was selected.
        return status() in (0, 5)


def _pytest(*options: str) -> list[str]:
    return [sys.executable, "-m", "pytest", *options]


def _reported(name: str) -> list[str]:
    """Return the options for a step's files in the results folder."""
    return [f"--junitxml={RESULTS / name}.xml", f"--results={RESULTS}", f"--durations={SLOWEST}"]


def _parallel(how: str, more: int = 0) -> list[str]:
    """Return the options to run tests in parallel, ``more`` at a time than there are processors."""
    workers = max(2, min((os.cpu_count() or 1) + more, MOST_WORKERS))
    return ["-n", str(workers), "--dist", how, "--no-loadscope-reorder"]


def _needs() -> list[Need]:
    """Return everything tests need of the host, to install at once: package managers lock each other out."""
    here, joined = host_arch().name, {"networks": ["lan"]}
    machines = [
        Machine.model_validate({"driver": "container", "engine": engine, **joined}) for engine in ENGINES
    ]
    machines.append(Machine.model_validate({"driver": "libvirt", **joined}))
    machines += [Machine.model_validate({"driver": "qemu", "arch": arch, **joined}) for arch in ARCHITECTURES]
    machines += [Machine(driver="process", arch=arch) for arch in ARCHITECTURES if arch != here]
    ours = (host_packages.CHROMIUM, host_packages.MMDEBSTRAP, host_packages.SSHD, SSH, XORRISO, ROOTLESS)
    return [*host_packages.needs_of(machines), host_packages.QEMU_IMG, host_packages.MKE2FS, *ours, *NETWORKS]
