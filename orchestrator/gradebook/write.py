"""Write all files of a gradebook into its folder.

Everything is made anew of the grades, without time stamps and in a fixed order: the same grades under the
same policy give the same bytes. A file is replaced as a whole, so a reader never sees a part of one.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from orchestrator.formatting import counted as number_of
from orchestrator.formatting import printable
from orchestrator.gradebook import csv, gradescope, junit, prairielearn
from orchestrator.gradebook.canvas import column_of, fill_gradebook, gradebook_people
from orchestrator.gradebook.counted import Counted, Total, adjusted, counted, totals
from orchestrator.gradebook.filling import Filled
from orchestrator.gradebook.former import FORMER, Former, move_former
from orchestrator.gradebook.gradescope import NO_RECEIPTS, Receipts
from orchestrator.gradebook.kept_rows import GRADES, keep_rows
from orchestrator.gradebook.lecturer import lecturer_html
from orchestrator.gradebook.moodle import columns_of, feedback_zip, fill_worksheet, worksheet_people
from orchestrator.gradebook.policy import Policy
from orchestrator.gradebook.pseudonyms import anonymous, anonymous_policy, render_key
from orchestrator.gradebook.sheet import read_sheet
from orchestrator.gradebook.similarity import similarity_html
from orchestrator.grading.digests import digest_of_digests
from orchestrator.grading.leftovers import COMPARING
from orchestrator.grading.model import Gradebook
from orchestrator.grading.signed_file import write_signed
from orchestrator.grading.work import WorkStore
from orchestrator.host.cache import write_atomically
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.check_submission import SKELETON
from orchestrator.labfile.load import LoadedLab
from orchestrator.submissions.file_names import file_name
from orchestrator.submissions.model import PlatformPerson, Student
from orchestrator.submissions.pseudonyms import pseudonyms

NOT_FILLED = "not-filled.txt"
"""Beside a platform's file: who is not in it, and which of its rows stayed as they were, a line each."""

SIMILARITY = "similarity.html"
_NAMED = 5
"""Of former students, so many are named."""


@dataclass(frozen=True)
class Exports:
    """What to write besides the files that are always written.

    ``moodle`` is a grading worksheet and ``canvas`` a gradebook, both as downloaded, to be filled in;
    ``canvas_column`` is the title or the number of the assignment there, "" if the lab's title tells.
    ``named``: the files about the whole class have names and ids, not pseudonyms, which ``key``, the
    course's secret, makes. ``prairielearn``: write a file for each student in PrairieLearn's format as well.
    ``signing`` is the key that signs ``grades.csv``; None: it is not signed. ``similarity``: the page of
    similar work is written afterwards.
    """

    moodle: Path | None = None
    canvas: Path | None = None
    policy: Policy = field(default_factory=Policy)
    named: bool = False
    canvas_column: str = ""
    key: bytes = b""
    prairielearn: bool = False
    signing: Ed25519PrivateKey | None = None
    similarity: bool = False


@dataclass(frozen=True)
class Written:
    """The ``files`` that were written, and what the lecturer must know of them (``notes``), a line each:
    extensions for ids that nobody has, points that are scaled, what is not filled in of platforms' files."""

    files: tuple[Path, ...]
    notes: tuple[str, ...]


class Page(Protocol):
    """Renders a student's feedback; ``adjusted`` says for exercises what the policy made of the points,
    ``counting`` which attempt counts."""

    def __call__(
        self,
        book: Gradebook,
        student: Student,
        /,
        *,
        adjusted: Mapping[str, str],
        counting: Mapping[str, Counted],
    ) -> str: ...


NO_PAGES: Mapping[str, Page] = MappingProxyType({})


@dataclass(frozen=True)
class _File:
    """A file to write, readable for its owner alone: it has names and points. ``path`` is below the
    gradebook's folder; ``signed``: with a signature beside it."""

    path: str
    data: bytes
    signed: bool = False


def check(lab: LoadedLab, exports: Exports) -> None:
    """Check, before anything is graded, that the platforms' files can be filled in. Raises SpecError."""
    if exports.moodle:
        columns_of(read_sheet(exports.moodle))
    if exports.canvas:
        column_of(read_sheet(exports.canvas), exports.canvas_column, _titles(lab))


def people(exports: Exports, ids: Collection[str]) -> list[PlatformPerson]:
    """Return who is in the platforms' files, where the roster has these ``ids``. Raises SpecError."""
    found = {}
    if exports.moodle:
        found["moodle"] = worksheet_people(read_sheet(exports.moodle), ids)
    if exports.canvas:
        found["canvas"] = gradebook_people(read_sheet(exports.canvas))
    return [
        PlatformPerson(platform, one.number, one.name, one.texts)
        for platform, listed in found.items()
        for one in listed
    ]


def write(
    book: Gradebook,
    folder: Path,
    exports: Exports,
    pages: Mapping[str, Page] = NO_PAGES,
    receipts: Mapping[str, Receipts] = MappingProxyType({}),
) -> Written:
    """Write the gradebook's files into ``folder``.

    ``pages`` render each student's feedback, by the ending of the file's name: ``html``, ``md``. ``receipts``
    are digests, by student's id, exercise and machine. Nothing is written unless all can be. Raises SpecError
    for a file of a platform that cannot be filled in, and OSError.
    """
    grades = counted(book, exports.policy)
    platforms = dict(_platforms(book.lab, totals(book, grades), exports))
    files = [
        *_of_the_class(book, grades, exports),
        *_of_students(book, grades, exports, receipts),
        *_for_reading(book, grades, pages, platforms),
    ]
    fewer = keep_rows(folder, files[0].data)
    written = [path for file in files for path in _written(folder, file, exports.signing)]
    former = move_former(folder, [*(file.path for file in files), *[SIMILARITY] * exports.similarity])
    notes = (*_notes(book, exports.policy, platforms), *fewer, *_told(former))
    return Written(tuple(written), tuple(dict.fromkeys(notes)))


def _of_the_class(book: Gradebook, grades: Sequence[Counted], exports: Exports) -> Iterator[_File]:
    """Yield what is about everybody: all but ``grades.csv`` is anonymous unless it is to have names."""
    yield _File(GRADES, _bytes(csv.render(grades)), signed=True)
    shown = book
    if not exports.named:
        key = exports.key
        shown = anonymous(book, key)
        grades = counted(shown, anonymous_policy(exports.policy, book, key))  # of other ids, in another order
        yield _File("pseudonyms.csv", _bytes(render_key(book.students, key)))
    yield _File("junit.xml", _bytes(junit.render(grades)))
    yield _File("lecturer.html", _bytes(lecturer_html(shown)))


def _of_students(
    book: Gradebook, counting: Sequence[Counted], exports: Exports, receipts: Mapping[str, Receipts]
) -> Iterator[_File]:
    for student, grades in _by_student(book, counting).items():
        name, digests = file_name(student), receipts.get(student, NO_RECEIPTS)
        yield _File(f"gradescope/{name}/results.json", _bytes(gradescope.render(grades, digests)))
        if exports.prairielearn:
            yield _File(f"prairielearn/{name}/results.json", _bytes(prairielearn.render(grades)))


def _for_reading(
    book: Gradebook, grades: Sequence[Counted], pages: Mapping[str, Page], platforms: Mapping[str, Filled]
) -> Iterator[_File]:
    """Yield the feedback, and the platforms' files, into whose zip it goes."""
    feedback = {ending: _feedback(book, grades, page) for ending, page in pages.items()}
    for ending, texts in feedback.items():
        for student, text in texts.items():
            yield _File(f"feedback/{file_name(student)}.{ending}", text)
    for place, filled in platforms.items():
        yield _File(place, filled.data)
        yield _File(
            f"{place.partition('/')[0]}/{NOT_FILLED}", _bytes("".join(f"{line}\n" for line in filled.notes))
        )
        if place.startswith("moodle/") and (found := feedback.get("html")):
            yield _File("moodle/feedback.zip", feedback_zip(filled, found))


def _feedback(book: Gradebook, grades: Sequence[Counted], page: Page) -> Mapping[str, bytes]:
    """The feedback of all students, by id."""
    taken = _by_student(book, grades)
    return {
        student.id: _bytes(
            page(
                book,
                student,
                adjusted=adjusted(taken[student.id]),
                counting={one.grade.exercise: one for one in taken[student.id]},
            )
        )
        for student in book.students
    }


def _by_student(book: Gradebook, grades: Sequence[Counted]) -> dict[str, list[Counted]]:
    found: dict[str, list[Counted]] = {student.id: [] for student in book.students}
    for one in grades:
        found[one.student.id].append(one)
    return found


def _platforms(lab: LoadedLab, found: Sequence[Total], exports: Exports) -> Iterator[tuple[str, Filled]]:
    if exports.moodle:
        yield f"moodle/{exports.moodle.name}", fill_worksheet(read_sheet(exports.moodle), found)
    if exports.canvas:
        sheet = read_sheet(exports.canvas)
        filled = fill_gradebook(sheet, found, exports.canvas_column, _titles(lab))
        yield f"canvas/{exports.canvas.name}", filled


def _titles(lab: LoadedLab) -> tuple[str, str]:
    return lab.lab.title, lab.lab.lab


def _notes(book: Gradebook, policy: Policy, platforms: Mapping[str, Filled]) -> Iterator[str]:
    for name in sorted(set(policy.extensions) - {student.id for student in book.students}):
        yield f"{name}: has an extension, but is not in the class"
    for place, one in platforms.items():
        yield from (f"{place}: {line}" for line in one.scaled)
    for one in platforms.values():
        yield from one.notes


def _told(former: Former) -> Iterator[str]:
    if former.students:
        yield (
            f"{number_of(len(former.students), 'student')} not in the class any more "
            f"({_first(former.students)}): their feedback and results are in {FORMER}/ now"
        )
    if former.files:
        yield f"of an earlier grading, and not written this time: {_first(former.files)}; in {FORMER}/ now"


def _first(names: Sequence[str]) -> str:
    return ", ".join(printable(name) for name in names[:_NAMED]) + (", …" if len(names) > _NAMED else "")


def _bytes(text: str) -> bytes:
    return text.encode(errors="backslashreplace")


def _written(folder: Path, file: _File, signing: Ed25519PrivateKey | None = None) -> tuple[Path, ...]:
    path = folder / file.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if signing and file.signed:
        return path, write_signed(path, file.data, signing)
    # A second export of a class touches only what is not as it should be.
    if not path.is_file() or path.stat().st_mode & 0o077 or path.read_bytes() != file.data:
        write_atomically(path, file.data)
    return (path,)


def write_similarity(book: Gradebook, folder: Path, exports: Exports) -> Path:
    """Compare what students handed in, and write the page into ``folder``, where the graded files are kept;
    returns its path. Raises Unavailable without copydetect; OSError."""
    names = {} if exports.named else pseudonyms((student.id for student in book.students), exports.key)
    store, owners = WorkStore(folder), dict[int, str]()
    with working_folder(COMPARING) as beside:
        work: dict[str, Path] = {}
        for grade in book.grades:  # of several attempts the last one stays
            kept = store.place(digest_of_digests(grade.files))
            if grade.files and kept.is_dir():
                who = names.get(grade.student.id, grade.student.id)
                place = beside / file_name(owners.setdefault(id(grade.records), who))  # one for a whole team
                shutil.copytree(kept, place / grade.exercise, dirs_exist_ok=True)
                work[who] = place
        shown = book if exports.named else anonymous(book, exports.key)
        skeletons = [one.folder / SKELETON for one in book.lab.exercises if one.name in book.exercises]
        page = similarity_html(shown, work, [path for path in skeletons if path.is_dir()])
    return _written(folder, _File(SIMILARITY, _bytes(page)))[0]
