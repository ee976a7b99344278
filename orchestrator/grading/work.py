"""What is graded: each submission's files of each exercise, kept by content.

The files are copied out of the submission once, before anything reads them a second time, and stay in the
folder of grades: a dispute is about exactly these bytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.exercises.parameters import Values, values, with_parameters
from orchestrator.exercises.submission import Files, assembled, handed_in, without_work
from orchestrator.grading.digests import digest_of_files
from orchestrator.labfile.load import LoadedExercise
from orchestrator.submissions.model import Student, Submission

KEPT = "work"
"""The folder of graded files, in the folder of grades; each set of files has a folder named by its digest."""


@dataclass(frozen=True)
class Work:
    """One submission's work on one exercise.

    ``exercise`` has the parameters of whoever handed it in. ``digest`` is the SHA-256 of the files'
    names and contents, ``files`` has that of each. ``missing`` says why it cannot be run ("" if it can), and
    ``absent`` that nothing of it was handed in. ``remarks`` say what was taken from where. ``values`` are the
    parameters, by name. ``same_missing`` is ``missing``, in words that are the same whichever exercises are
    graded.
    """

    submission: Submission
    exercise: LoadedExercise
    digest: str
    files: Mapping[str, str]
    missing: str = ""
    absent: bool = False
    remarks: tuple[str, ...] = ()
    values: Values = field(default_factory=dict)
    same_missing: str = ""

    @property
    def students(self) -> tuple[Student, ...]:
        return self.submission.students

    @property
    def who(self) -> str:
        """The id whose parameters these are: a team's are those of the first of its students."""
        return min(student.id for student in self.students)

    @property
    def graded(self) -> str:
        """A digest of what is graded, whoever handed it in: of the files, or of what is missing."""
        if not self.missing:
            return self.digest
        return hashlib.sha256(
            f"{self.digest}\n{self.same_missing or self.missing}".encode(errors="replace")
        ).hexdigest()


def works_of(
    submission: Submission,
    exercises: Sequence[LoadedExercise],
    others: Sequence[str],
    course: bytes,
    store: WorkStore,
) -> list[Work]:
    """Return a submission's work on each of these exercises, and keep its files; ``others`` are exercises of
    the lab whose files are not theirs. Raises OSError."""
    who = min(student.id for student in submission.students)
    found = handed_in(submission.folder, exercises, others)
    works = []
    for plain, one in zip(exercises, found, strict=True):
        own = values(plain.spec, plain.name, who, course)
        exercise = with_parameters(plain, own)
        digests = {name: hashlib.sha256(data).hexdigest() for name, data in one.files.items()}
        digest = store.keep(one.files)
        remarks = (*submission.remarks, *one.remarks)
        works.append(
            Work(
                submission,
                exercise,
                digest,
                digests,
                one.reason,
                one.absent,
                remarks,
                own,
                one.same_reason,
            )
        )
    return works


@dataclass(frozen=True)
class WorkStore:
    """The files that were graded, below ``folder``, by content."""

    folder: Path

    def keep(self, files: Files) -> str:
        """Keep these files; returns their digest. What is there already is left alone. Raises OSError."""
        digest = digest_of_files(files)
        place = self.place(digest)
        if place.is_dir():
            return digest
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=".making-", dir=place.parent))
        try:
            for name, data in files.items():
                (making / name).parent.mkdir(parents=True, exist_ok=True)
                (making / name).write_bytes(data)
            with contextlib.suppress(FileExistsError):  # somebody else was faster: the same bytes
                making.rename(place)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return digest

    def read(self, digest: str) -> Files:
        """Return the kept files. Raises SpecError if they are gone or were changed."""
        place = self.place(digest)
        files = {
            str(path.relative_to(place)): path.read_bytes()
            for path in sorted(place.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        if not place.is_dir() or digest_of_files(files) != digest:
            raise SpecError(
                f"the graded files in {place} are gone or were changed",
                hint="grade the submissions again: what was handed in decides",
            )
        return files

    def place(self, digest: str) -> Path:
        """Return the folder of the files with this digest, whether it exists or not."""
        return self.folder / KEPT / digest


@contextlib.contextmanager
def ready(works: Sequence[Work], store: WorkStore, folder: Path) -> Iterator[tuple[LoadedExercise, ...]]:
    """Provide the exercises of these works with their files and the hidden tests, assembled in ``folder``."""
    try:
        yield tuple(_assembled(work, store, folder / str(number)) for number, work in enumerate(works))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _assembled(work: Work, store: WorkStore, target: Path) -> LoadedExercise:
    exercise = work.exercise
    if work.missing:
        return without_work(exercise, work.missing)
    return assembled(exercise, store.read(work.digest), target)
