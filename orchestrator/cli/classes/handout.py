"""class handout: write a page for each student."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from orchestrator.classes.entrances import entrances
from orchestrator.classes.handout.write import Written, write
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import HANDOUTS
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.cli.output import JSON, say, say_json
from orchestrator.errors import Exit, SpecError
from orchestrator.formatting import counted
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.paths import state_dir


def act(found: LoadedClass, further: tuple[str, ...], options: ClassOptions) -> Exit:
    """Write the pages of the seats that are meant into the folder ``handouts`` beside the class file, or in
    ``--out``. Raises SpecError, and Unavailable if they cannot be written."""
    options.refuse("handout", "watch", "prune")
    if further:
        raise SpecError(
            f"isolab class handout does not take {further[0]!r}", hint="choose with --student or --group"
        )
    folder = (Path(options.out) if options.out else found.folder) / HANDOUTS
    ways = entrances(found, options.seats(found))
    written = write(found, ways, folder, course_key(signing_key(state_dir())), datetime.now(UTC))
    if options.form == JSON:
        pages = {seat: str(page) for seat, page in written.pages.items()}
        say_json({"table": str(written.table), "pages": pages, "stray": list(written.stray)})
    else:
        _say(written, folder)
    return Exit.PASSED


def _say(written: Written, folder: Path) -> None:
    say(f"{folder}: {counted(len(written.pages), 'page')}, each as .html and .md, and {written.table.name}")
    say("only you can read them: a page holds what lets its student in, so give it to nobody else")
    if written.stray:
        names = ", ".join(written.stray[:5]) + (", …" if len(written.stray) > 5 else "")
        say(f"pages of nobody in the class any more, for you to delete: {names}")
