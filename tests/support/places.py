"""Where things lie that tests read: the checkout, the golden files, the tests' own labs."""

from __future__ import annotations

from orchestrator.paths import ROOT

TESTS = ROOT / "tests"
GOLDEN = TESTS / "golden"
LABS = TESTS / "labs"
"""Labs made for tests; the project's own are in ``orchestrator.paths.LABS``."""
