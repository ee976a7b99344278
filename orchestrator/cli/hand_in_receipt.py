"""grade --verify RECEIPT: the receipt of a hand-in, and the files beside it if it is in its place."""

from __future__ import annotations

from pathlib import Path

from orchestrator.classes.work.deposit_box import digests_of
from orchestrator.classes.work.receipt import FILES, MOST_BYTES, changed_files, verify_receipt
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted, printable
from orchestrator.grading.keys import existing_key, read_public
from orchestrator.paths import state_dir


def verify_hand_in(path: Path, key: str, form: str) -> Exit:
    """Verify a receipt by this state folder's key, unless another is in the file ``key``. Exit code 1 if
    anything is not as it was signed."""
    public = read_public(Path(key)) if key else existing_key(state_dir())
    if public is None:
        raise SpecError(
            "this state folder has no key to verify a receipt with", hint="name the key: --key receipts.pub"
        )
    with path.open("rb") as file:
        text = file.read(MOST_BYTES).decode(errors="surrogateescape")
    found = verify_receipt(text, public)
    problems = [*found.problems]
    beside = path.parent / FILES
    if beside.is_dir() and not problems:
        problems += changed_files(beside, found.files, digests_of(beside))
    facts = {name: printable(value) for name, value in found.facts.items()}
    if form == JSON:
        about = {"problems": problems, "files": found.files, "compared": beside.is_dir()}
        say_json({**about, "receipt": facts})
    else:
        for words in problems:
            say(printable(words))
        told = ("class", "lab", "seat", "number", "time", "digest")
        say("\n".join(f"{name}: {facts.get(name, '?')}" for name in told))
        compared = ", and its files are as they were handed in" if beside.is_dir() else ""
        say(counted(len(problems), "problem") if problems else f"signed by this course's key{compared}")
    return Exit.FAILED if problems else Exit.PASSED
