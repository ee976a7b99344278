"""The whole page of a seat."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from orchestrator.classes.handout import access, commands
from orchestrator.classes.handout.blocks import (
    Block,
    Handout,
    Lines,
    Paragraph,
    Points,
    Section,
    Typed,
    words,
)
from orchestrator.classes.handout.dates import span, when
from orchestrator.classes.handout.entrance import Entrance
from orchestrator.classes.handout.exercises import first_task, lab_section
from orchestrator.classes.model import LoadedClass, Seat

HOME = "/home/student"
_NO_LAB = Section("labs", "Exercises", (Paragraph(words("No lab is open yet.")),))


def handout_of(found: LoadedClass, seat: Seat, entrance: Entrance, course: bytes, now: datetime) -> Handout:
    """Return a seat's page as it is at this moment. ``course`` is the secret key that students' values are
    derived from. Raises OSError for a README that cannot be read."""
    labs = found.open_labs(now)
    sections: list[Section | None] = [
        _examination(found) if found.spec.exam else None,
        access.getting_in(entrance, seat, found.spec.contact, through=not found.spec.exam),
        access.in_the_browser(entrance, seat),
        None if found.spec.exam else access.copying(entrance),
        _handing_in(entrance, first_task(labs)),
        *(lab_section(number, one, seat, course) for number, one in enumerate(labs, 1)),
        None if labs else _NO_LAB,
        _what_stays(found),
        _whom_to_ask(found),
    ]
    return Handout(
        over=found.spec.title or found.name,
        who=_who(seat),
        about=tuple(_about(found, seat)),
        sections=tuple(one for one in sections if one),
        private=bool(entrance.link),
    )


def _who(seat: Seat) -> str:
    if len(seat.members) > 1:
        return f"Group {seat.label}"
    return seat.members[0].student.name or seat.members[0].student.id


def _about(found: LoadedClass, seat: Seat) -> Iterator[str]:
    if len(seat.members) > 1:
        yield "; ".join(f"{m.student.name} ({m.student.id})" if m.student.name else m.student.id
                        for m in seat.members)  # fmt: skip
    else:
        student = seat.members[0].student
        known = [student.id] if student.name else []  # else it is the heading
        if line := ", ".join([*known, *([f"group {student.group}"] if student.group else [])]):
            yield line
    moments = [moment for one in found.labs for moment in (one.spec.from_, one.spec.due) if moment]
    dates = span([*moments, *([found.spec.ends] if found.spec.ends else [])])
    yield f"Class {found.name}{f', {dates}' if dates else ''}"


def _examination(found: LoadedClass) -> Section:
    end = found.spec.ends or max((one.spec.due for one in found.labs if one.spec.due), default=None)
    ends = f"It ends {when(end)}, for everybody." if end else ""
    return Section(
        "examination",
        "This is an examination",
        (
            Points(
                tuple(
                    words(text)
                    for text in (
                        ends,
                        "The machines reach no network. Write in the machine: no files are brought from "
                        "elsewhere.",
                        "When it ends, your home folder is collected, and the machines are destroyed with "
                        "all that is on them. Hand in before.",
                    )
                    if text
                )
            ),
        ),
    )


def _handing_in(entrance: Entrance, task: str) -> Section:
    first = entrance.logins[0]
    example = task or "LAB/EXERCISE"
    lines = tuple(
        commands.ssh(entrance, first, f"isolab {words_}")
        for words_ in (f"check {example}", f"hand-in {example}", "status")
    )
    blocks: list[Block] = [
        Paragraph(
            words(
                "Your files of an exercise are in the folder ",
                Typed("~/LAB/EXERCISE"),
                " of your home folder; its ",
                Typed("README.md"),
                " says what to do. On your own computer:",
            )
        ),
        Lines(lines, "Lines that check and hand in"),
        Points(
            (
                words(Typed("check"), " runs the visible tests on fresh machines. It hands in nothing."),
                words(
                    Typed("hand-in"),
                    " keeps a copy of your files as they are, and prints a signed receipt: keep it. Without "
                    "a name it takes all that you have begun. Hand in again when you have something better.",
                ),
                words(
                    Typed("status"),
                    " shows what you have checked and handed in, and what is due when; ",
                    Typed("help"),
                    " all there is.",
                ),
            )
        ),
    ]
    return Section("handing-in", "Check and hand in", tuple(blocks))


def _what_stays(found: LoadedClass) -> Section:
    items = [
        words(
            "Your home folder, ",
            Typed(HOME),
            ", stays when a machine is reset, replaced or restarted. Keep everything you need there.",
        ),
        words(
            "The rest of the machine does not: programs that run, packages you installed and files in ",
            Typed("/tmp"),
            " are gone then.",
        ),
    ]
    if found.spec.ends and not found.spec.exam:
        items.append(
            words(f"The class ends {when(found.spec.ends)}: your work is collected and the machines go down.")
        )
    return Section("what-stays", "What stays", (Points(tuple(items)),))


def _whom_to_ask(found: LoadedClass) -> Section:
    contact = found.spec.contact or "your lecturer, or whoever gave you this page"
    said = "Say your id and the name of the machine, and keep what the screen shows."
    return Section("asking", "Whom to ask", (Paragraph(words(f"Ask {contact}. {said}")),))
