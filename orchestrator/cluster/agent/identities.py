"""What the machines of a lab are on this host: templates or images, and emulators, as receipts seal them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchestrator.errors import HostLacks, LabError
from orchestrator.grading.identity import identities_of
from orchestrator.grading.leftovers import GRADING
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedLab
from orchestrator.machines.journal import Journal
from orchestrator.machines.provision import LabContext, lab_context
from orchestrator.progress import SilentProgress
from orchestrator.results.store import new_run_id


def identities(lab: LoadedLab, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return for each of these machines {"template", "qemu"}, see ``MachineIdentity``, or {"lacking", "hint"}
    where it cannot be on this host. Builds images as necessary."""
    try:
        with (
            working_folder(GRADING) as logs,
            lab_context(lab, names, logs, Journal(), SilentProgress(), cold=False) as context,
        ):
            return {name: _identity(name, context) for name in names}
    except HostLacks as lack:  # for all of them
        return dict.fromkeys(names, _lacking(lack))


def _identity(name: str, context: LabContext) -> dict[str, Any]:
    if lack := context.shortfall.problem(name) or context.packages.result().get(name):
        return _lacking(lack)
    try:
        found = identities_of([name], new_run_id(), context)[name]
    except HostLacks as lack:
        return _lacking(lack)
    return {"template": found.template, "qemu": found.qemu}


def _lacking(lack: LabError) -> dict[str, str]:
    return {"lacking": lack.message, "hint": lack.hint}
