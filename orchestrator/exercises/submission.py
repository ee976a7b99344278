"""Combine a student's work with its exercise: which files are taken, from where, and the folder of both
that is built and run.

Submissions are hostile: only the files an exercise names are taken, as regular files of bounded size
from within the student's folder, and they are copied once, before anything reads them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from orchestrator.driver_traits import TRAITS
from orchestrator.errors import SpecError
from orchestrator.exercises.misplaced import Misplaced, Wanted, misplaced
from orchestrator.exercises.reading_matter import reading_matter
from orchestrator.formatting import printable
from orchestrator.host.confine import confined
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.check_submission import ALTERNATIVES, SKELETON, SOLUTION, WRONG
from orchestrator.labfile.load import HIDDEN_FILE, LoadedExercise, LoadedLab
from orchestrator.labfile.shared import copy_shared, shared_files
from orchestrator.labfile.suggest import quote
from orchestrator.labfile.writable_copy import writable_copy

MOST_BYTES = 2**20
"""Maximum size of one submitted file."""

_MOST_MEANT = 8
"""Files that are compared where several can be meant."""

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class HandedIn:
    """A student's files of one exercise; ``missing`` are those that are not there or cannot be taken, with
    their paths and reasons. ``absent``: nothing of it is there. ``remarks`` say which files were taken from
    another place than the exercise's. ``named`` are ``missing`` with the paths that they have when all of a
    lab's exercises are looked for: the same whichever are."""

    files: Files
    missing: tuple[str, ...] = ()
    absent: bool = False
    remarks: tuple[str, ...] = ()
    named: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why the exercise cannot run; "" when all files are there."""
        return _reason(self.missing)

    @property
    def same_reason(self) -> str:
        """The reason, the same whichever exercises of a lab are looked for."""
        return _reason(self.named)


def _reason(missing: Sequence[str]) -> str:
    if len(missing) < 2:
        return "".join(f"not handed in: {words}" for words in missing)
    return "\n".join(["not handed in:", *missing])


@contextlib.contextmanager
def with_work(
    lab: LoadedLab, work: Path | None, chosen: Sequence[str] = ()
) -> Iterator[tuple[LoadedLab, list[str]]]:
    """Yield the lab with work in its student exercises, and messages on whose work it is.

    ``work`` is a student's folder; None means the reference solutions or, without one, the skeletons.
    ``chosen`` are the exercises that will run (empty: all). One whose files are missing from the folder, or
    cannot be taken, is ``not_handed_in``. Raises SpecError for a folder that does not exist, and where
    there is nothing for students.
    """
    wanted = [e for e in lab.exercises if e.spec.student and (not chosen or e.name in chosen)]
    if not wanted:
        if work is not None:
            raise SpecError(
                "--work has no effect: no student exercise selected",
                hint="omit --work, or select an exercise for students",
            )
        yield lab, []
        return
    others = [e.name for e in lab.exercises if e not in wanted]
    found = (
        [HandedIn(files) for files in _provided(wanted)] if work is None else handed_in(work, wanted, others)
    )
    with working_folder("work") as folder:
        done = {
            exercise.name: without_work(exercise, one.reason)
            if one.missing
            else assembled(exercise, one.files, folder / str(number), from_student=work is not None)
            for number, (exercise, one) in enumerate(zip(wanted, found, strict=True))
        }
        exercises = tuple(done.get(exercise.name, exercise) for exercise in lab.exercises)
        absent = all(one.absent for one in found)
        words = _words(list(done.values()), wanted, work, absent=absent)
        remarks = [remark for one in found for remark in one.remarks]
        yield replace(lab, exercises=exercises), [*words[:1], *remarks, *words[1:]]


def machines_for_students(lab: LoadedLab, chosen: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Return the machines that students' code runs on, in the lab's order, of those ``chosen`` (empty: all),
    and messages on those left out: on this host itself it runs only where a machine is chosen by name. Raises
    SpecError when none is left."""
    names = tuple(name for name in lab.lab.machines if not chosen or name in chosen)
    here = [name for name in names if TRAITS[lab.lab.machines[name].driver].on_host and not chosen]
    if not here:
        return names, []
    others = tuple(name for name in names if name not in here)
    message = f"student code does not run on {', '.join(here)}, which is this host itself"
    advice = "to run it there anyway, name the machine with --only"
    if not others:
        raise SpecError(message, hint=advice)
    return others, [f"{message}; {advice}"]


def assembled(
    exercise: LoadedExercise, files: Files, target: Path, *, from_student: bool = True
) -> LoadedExercise:
    """Assemble the exercise with these student files, and its hidden tests, in ``target``.

    ``target`` is created; it holds the exercise's folder without its solutions and what is only read, and
    beside it the files it shares. A report shows the files only when they are ``from_student``.
    """
    withheld = {SKELETON, SOLUTION, ALTERNATIVES, WRONG, HIDDEN_FILE, *reading_matter(exercise)}
    top = exercise.folder.resolve()

    def left_out(folder: str, names: list[str]) -> set[str]:
        return withheld & set(names) if Path(folder).resolve() == top else set()

    whole = target / exercise.folder.name
    writable_copy(exercise.folder, whole, left_out)
    copy_shared(exercise.folder, shared_files(exercise.folder, exercise.spec.shares), target)
    for name, data in files.items():
        place = whole / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(data)
        place.chmod(_mode(exercise.folder / SKELETON / name))
    shown = LoadedExercise(exercise.name, whole, exercise.spec) if from_student else exercise
    return LoadedExercise(exercise.name, whole, exercise.whole_spec, exercise.hidden, shown)


def without_work(exercise: LoadedExercise, reason: str) -> LoadedExercise:
    """Return an exercise that fails for this reason, and is worth what it would be with its hidden tests."""
    return replace(exercise, spec=exercise.whole_spec, shown=exercise, not_handed_in=reason)


def provided(exercise: LoadedExercise, place: str) -> Files:
    """Return the files of one of the exercise's own folders: skeleton, solution, alternatives/KIND,
    wrong/KIND. Files missing from the last two come from the reference solution."""
    names, own = _names(exercise), exercise.folder / place
    of_reference = Path(place).parts[:1] in ((ALTERNATIVES,), (WRONG,))
    theirs = [name for name in names if of_reference and not (own / name).exists()]
    ours = _taken(own, exercise.folder, [name for name in names if name not in theirs])
    found = [ours, _taken(exercise.folder / SOLUTION, exercise.folder, theirs)]
    if missing := [words for one in found for words in one.missing]:
        raise SpecError(f"{exercise.name}: {'; '.join(missing)}", hint=f"add it to {exercise.folder}")
    return {name: data for one in found for name, data in one.files.items()}


def handed_in(
    work: Path, exercises: Sequence[LoadedExercise], others: Collection[str] = ()
) -> list[HandedIn]:
    """Return what a student's folder holds of each of these exercises.

    A file that is not in its place is taken from elsewhere if it is clear which one is meant, and a remark
    says so; ``others`` are the names of the lab's further exercises, whose folders are left alone. Raises
    SpecError if there is no such folder.
    """
    if not work.is_dir():
        raise SpecError(f"--work {work}: no such folder", hint="name the folder with a student's files")
    places = {e.name: _place(work, e.name, alone=len(exercises) == 1) for e in exercises}
    wanted = {
        e.name: [Wanted(e.name.removeprefix("./"), n, _relative(places[e.name] / n, work)) for n in _names(e)]
        for e in exercises
    }
    elsewhere = misplaced(work, [one for those in wanted.values() for one in those], others)
    found = []
    for exercise in exercises:
        place, names = places[exercise.name], _names(exercise)
        meant = {
            one.name: elsewhere.meant(one)
            for one in wanted[exercise.name]
            if not os.path.lexists(work / one.path)
        }
        taken = _taken(place, work, names, elsewhere, meant)
        absent = not taken.files and not any(os.path.lexists(place / name) for name in names)
        sources = {name for build in exercise.spec.build for name in build.sources}
        empty = [name for name, data in taken.files.items() if name in sources and not data.strip()]
        words = [f"{_relative(place / name, work)} is empty" for name in empty]
        missing = (*taken.missing, *words)
        named = _named_alike(exercise, missing) if others and place == work else missing
        found.append(HandedIn(taken.files, missing, absent, taken.remarks, named))
    return found


def _named_alike(exercise: LoadedExercise, missing: Sequence[str]) -> tuple[str, ...]:
    """Name files of a folder that is one exercise's alone as if others were in it."""
    folder, names = exercise.name.removeprefix("./"), _names(exercise)
    return tuple(
        f"{folder}/{words}" if any(words.startswith(f"{name} ") for name in names) else words
        for words in missing
    )


def _place(work: Path, name: str, *, alone: bool) -> Path:
    """Return where in a student's folder the work on an exercise is, or should be."""
    name = name.removeprefix("./")
    places = [work / name, work / name.rsplit("/", 1)[-1]]
    return next((place for place in places if place.is_dir()), work if alone else places[0])


def _provided(exercises: Sequence[LoadedExercise]) -> list[Files]:
    return [provided(exercise, _origin(exercise)) for exercise in exercises]


def _origin(exercise: LoadedExercise) -> str:
    """Return the folder whose files run without a student's work; "" is the exercise's own."""
    return next((place for place in (SOLUTION, SKELETON) if (exercise.folder / place).is_dir()), "")


def _words(
    ready: Sequence[LoadedExercise], exercises: Sequence[LoadedExercise], work: Path | None, *, absent: bool
) -> list[str]:
    """Return whose work runs, one line for each kind, and what was not handed in. ``absent``: no file of any
    exercise is where it should be."""
    if work is not None:
        there = [e.name for e in ready if not e.not_handed_in]
        said = {e.name: e.not_handed_in.replace(":\n", ": ").replace("\n", "; ") for e in ready}
        lost = [f"0 points for {name}: {words}" for name, words in said.items() if words]
        if there:
            return [f"running the work in {work}: {', '.join(there)}", *lost]
        if absent:
            hint = "each exercise is expected in TOPIC/NAME/ or NAME/"
            return [f"no work on these exercises in {work}: {hint}", *lost]
        return [
            f"nothing to run in {work}: the work on every exercise is incomplete or cannot be used",
            *lost,
        ]
    called = {
        SOLUTION: "running the reference solution",
        SKELETON: "running the skeleton",
        "": "running the exercise's own files",
    }
    groups: dict[str, list[str]] = {}
    for exercise in exercises:
        groups.setdefault(called[_origin(exercise)], []).append(exercise.name)
    advice = "; to run a student's work, use --work FOLDER"
    return [f"{what}: {', '.join(names)}{advice}" for what, names in groups.items()]


def _names(exercise: LoadedExercise) -> list[str]:
    return exercise.spec.student.files if exercise.spec.student else []


def _taken(
    place: Path,
    root: Path,
    names: Sequence[str],
    others: Misplaced | None = None,
    meant: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> HandedIn:
    """Read these files of ``place``, which must really be within ``root``.

    ``meant`` are the files in ``root`` that can be meant by one that is missing; ``others`` has a hint where
    there are none.
    """
    found: dict[str, bytes] = {}
    missing, remarks = [], []
    for name in names:
        shown = _relative(place / name, root)
        elsewhere = meant.get(name, ())
        try:
            if elsewhere:
                found[name] = _the_one(root, elsewhere)
                remarks.append(f"took {printable(elsewhere[0])} as {shown}")
            else:
                found[name] = _read(confined(root, shown))
        except FileNotFoundError:
            missing.append(
                f"{shown} is missing{_dangling(place / name) or (others.hint(shown) if others else '')}"
            )
        except OSError as error:
            missing.append(f"{_named(elsewhere, shown)} cannot be read: {error.strerror or error}")
        except _Doubt as doubt:
            missing.append(f"{shown} is missing ({doubt})")
        except ValueError as error:
            missing.append(f"{_named(elsewhere, shown)} {error}")
    return HandedIn(found, tuple(missing), remarks=tuple(remarks))


class _Doubt(Exception):
    """Several files can be meant; the message names them."""


def _the_one(root: Path, names: Sequence[str]) -> bytes:
    """Return the content of the only one of these files, or of all. Raises _Doubt, and what _read does."""
    contents = {_read(confined(root, name)) for name in names[:_MOST_MEANT]}
    if len(contents) > 1 or len(names) > _MOST_MEANT:
        both = " and ".join(printable(name) for name in names[:2])
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        raise _Doubt(f"{both}{more} could be meant: hand in one of them")
    return contents.pop()


def _named(elsewhere: Sequence[str], shown: str) -> str:
    return printable(elsewhere[0]) if elsewhere else shown


def _relative(path: Path, root: Path) -> str:
    return str(path.relative_to(root))


def _dangling(path: Path) -> str:
    """Say of a link to nothing where it leads; "" of any other path."""
    return f" (a link to {quote(path.readlink())}, which is not there)" if path.is_symlink() else ""


def _read(path: Path) -> bytes:
    """Read a regular file of bounded size. Raises ValueError for anything else, OSError.

    Non-blocking, because opening a FIFO would wait for its writer: fifo(7).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise ValueError("is a folder, not a file")
        if not stat.S_ISREG(kind):
            raise ValueError("is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            data = file.read(MOST_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 2**20} MiB")
    return data


def _mode(begun: Path) -> int:
    """Return the mode of a file: executable when its skeleton is."""
    return 0o755 if begun.is_file() and begun.stat().st_mode & 0o100 else 0o644
