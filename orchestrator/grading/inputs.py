"""What a verdict depends on, as digests: with equal inputs the same files were judged by the same tests on
the same kind of machine, and nothing needs to be graded again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from orchestrator.grading.identity import MachineIdentity
from orchestrator.grading.receipts import Receipt


@dataclass(frozen=True)
class Inputs:
    """Digests, as in a receipt: of the submission's files, the exercise's public files and the student's
    parameters, its hidden tests, and what identifies the machine."""

    submission: str
    public: str
    hidden: str
    template: str
    qemu: str

    @classmethod
    def of_receipt(cls, receipt: Receipt) -> Inputs:
        """Return what a sealed verdict depended on."""
        return cls(receipt.submission, receipt.public, receipt.hidden, receipt.template, receipt.qemu)

    def changed(self, other: Inputs) -> tuple[str, ...]:
        """Return in words which of them differ."""
        mine, theirs = asdict(self), asdict(other)
        return tuple(_WORDS[name] for name in mine if mine[name] != theirs[name])


_WORDS = {
    "submission": "the submission",
    "public": "the exercise",
    "hidden": "the hidden tests",
    "template": "the machine's template or its entry in the lab",
    "qemu": "QEMU",
}


def inputs_of(
    submission: str, exercise: tuple[str, str], values: Mapping[str, object], identity: MachineIdentity
) -> Inputs:
    """Return the inputs of a verdict. ``exercise`` are its digests, public and hidden, ``values`` the
    student's parameters."""
    public, hidden = exercise
    if values:
        own = json.dumps(dict(values), sort_keys=True).encode()
        public = hashlib.sha256(public.encode() + own).hexdigest()
    return Inputs(submission, public, hidden, identity.template, identity.qemu)
