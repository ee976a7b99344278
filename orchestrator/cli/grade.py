"""grade: a class's submissions, each on machines of its own; verdicts, receipts, exports."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestrator.cli.choose import chosen
from orchestrator.cli.cluster.source import Unsure, interrupted, where_of
from orchestrator.cli.labs import open_lab
from orchestrator.cli.output import JSON, check_format, say, say_json
from orchestrator.cli.self_test_words import self_test_data, self_test_words
from orchestrator.cli.signals import stop_signals
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.formatting import bounded, counted, printable
from orchestrator.gradebook.counted import counted as what_counts
from orchestrator.gradebook.feedback import feedback_html, feedback_markdown
from orchestrator.gradebook.fingerprints import require_copydetect
from orchestrator.gradebook.policy import Policy, load_policy, policy_data
from orchestrator.gradebook.policy_changes import policy_changes
from orchestrator.gradebook.write import (
    NOT_FILLED,
    Exports,
    check,
    people,
    write,
    write_similarity,
)
from orchestrator.grading.about import ABOUT, mark_finished, read_about
from orchestrator.grading.derive import Derived, derive
from orchestrator.grading.fairness import rules
from orchestrator.grading.grade import Choice, Outcome, grade_class
from orchestrator.grading.graders import Where
from orchestrator.grading.heads import Heads
from orchestrator.grading.keys import PUBLIC_FILE, course_key, existing_key, read_public, signing_key
from orchestrator.grading.model import Grade, Gradebook, Verdict
from orchestrator.grading.out_folder import check_out_folder
from orchestrator.grading.regrade import CHANGES, Change, render, summary, told
from orchestrator.grading.selection import exercises_of
from orchestrator.grading.self_test import self_test
from orchestrator.grading.signed_file import problem_of
from orchestrator.grading.verification import Verification, verify
from orchestrator.host.cache import write_atomically
from orchestrator.labfile.load import LoadedLab
from orchestrator.paths import state_dir
from orchestrator.progress import Progress, shown
from orchestrator.submissions.intake import described, opened
from orchestrator.submissions.model import Intake

PAGES = {"html": feedback_html, "md": feedback_markdown}
"""A student's feedback, by the ending of the file's name."""
GRADES = "grades.csv"
PLATFORMS = ("moodle", "canvas")
"""Folders of the platforms' own files, in the folder of grades."""
MOST_CHARACTERS = 200
MOST_LISTED = 12
"""Lines of one kind on the screen; the files have all of them."""


@dataclass(frozen=True)
class Options:
    """The options of ``isolab grade``, as typed; "" and () where one was left out. With ``cluster``, a hosts
    file, machines are on its hosts; ``pins`` bind some of them to a host or tag."""

    roster: str = ""
    layout: str = ""
    out: str = ""
    only: tuple[str, ...] = ()
    exercises: tuple[str, ...] = ()
    again: bool = False
    repeat: int = 1
    moodle: str = ""
    canvas: str = ""
    canvas_column: str = ""
    policy: str = ""
    names: bool = False
    similarity: bool = False
    form: str = "text"
    cluster: str = ""
    pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mode:
    """What is to be done: grade SUBMISSIONS of LAB; ``verify`` a folder of grades, by the public ``key`` in a
    file, and derive a ``student``'s verdicts again; or ``self_test`` the lab's own solutions."""

    lab: str = ""
    submissions: str = ""
    verify: str = ""
    key: str = ""
    student: str = ""
    self_test: bool = False


def grade(mode: Mode, options: Options) -> Exit:
    """Do what the command line asks for. Raises SpecError for options that do not go together."""
    check_format(options.form)
    require_together(mode, options)
    if mode.verify:
        return _verify(mode, options)
    return _test_lab(mode.lab, options) if mode.self_test else _grade(mode.lab, mode.submissions, options)


def _grade(lab_path: str, submissions: str, options: Options) -> Exit:
    """Grade all submissions and write the results. Exit code 3 if something has no result, else 1 if a
    submission lost points, else 0."""
    lab = _lab(lab_path)
    if not submissions:
        raise SpecError(
            "grade: which submissions?", hint="isolab grade LAB SUBMISSIONS, a folder or an archive of them"
        )
    policy = load_policy(Path(options.policy)) if options.policy else Policy()
    choice = choice_of(lab, options)
    exercises_of(lab, choice.exercises)
    out = Path(options.out) if options.out else Path("grades") / lab.lab.lab
    check_out_folder(out, Path(submissions))
    roster = Path(options.roster) if options.roster else None
    exports = _exports(options, policy)
    check(lab, exports)
    opening = opened(Path(submissions), roster, options.layout, partial(people, exports))
    return grade_opened(lab, choice, opening, policy, out, options)


def grade_opened(
    lab: LoadedLab,
    choice: Choice,
    opening: AbstractContextManager[Intake],
    policy: Policy,
    out: Path,
    options: Options,
    printing: Callable[[Outcome, Intake, Path, Sequence[Path]], None] | None = None,
) -> Exit:
    """Grade what ``opening`` provides into the folder ``out``, write the results, and say what came out, by
    ``printing`` if that is given. Returns the exit code; raises as ``grade_class``."""
    exports = _exports(options, policy)
    check(lab, exports)
    if options.similarity:
        require_copydetect()
    with _grading(lab, choice, options) as (progress, where), opening as intake:
        for line in described(intake):
            progress.tell(line)
        outcome = grade_class(lab, intake, choice, out, progress, where)
        outcome = replace(outcome, by_policy=tuple(_by_policy(outcome.book, out, exports)))
        done = write(outcome.book, out, exports, PAGES, outcome.results)
        written = (*done.files, *_write_changes(outcome, out))
        if options.similarity:
            written = (*written, write_similarity(outcome.book, out, exports))
        mark_finished(out, policy_data(policy))
        for line in done.notes:
            progress.tell(line)
    if printing:
        printing(outcome, intake, out, written)
    else:
        counting = [one.grade for one in what_counts(outcome.book, policy)]
        _print(outcome, intake, out, written, options, counting)
    return _exit_code(outcome.book.grades)


def _by_policy(book: Gradebook, out: Path, exports: Exports) -> list[Change]:
    """Return what the policy changed since the last grading into this folder."""
    before = read_about(out).policy
    try:
        policy = None if before is None else Policy.model_validate(before)
    except ValidationError:  # of another isolab
        policy = None
    return [] if policy is None else policy_changes(book, policy, exports.policy, exports.key)


def _test_lab(lab_path: str, options: Options) -> Exit:
    """Grade the lab's own solutions. Exit code 1 if one gets other points than it should."""
    lab = _lab(lab_path)
    choice = choice_of(lab, options)
    with _grading(lab, choice, options) as (progress, where):
        findings = self_test(lab, choice, progress, where)
    found = rules(exercises_of(lab, options.exercises), findings)
    if options.form == JSON:
        say_json(self_test_data(findings, found))
    else:
        say(self_test_words(findings, found))
    return Exit.FAILED if any(one.fault for one in findings) else Exit.PASSED


def _verify(mode: Mode, options: Options) -> Exit:
    """Check a folder of grades, by this state folder's key unless another is named. Exit code 1 if anything
    is not as it was sealed."""
    folder, student = Path(mode.verify), mode.student
    public = read_public(Path(mode.key)) if mode.key else existing_key(state_dir())
    found = verify(folder, public, Heads(state_dir()))
    if words := problem_of(
        folder / GRADES,
        public or read_public(folder / PUBLIC_FILE),
        finished=found.finished,
        expected=(folder / ABOUT).exists(),  # not where somebody got the receipts alone
    ):
        found = replace(found, problems=(*found.problems, words))
    derived: list[Derived] = []
    if student:
        lab = open_lab(read_about(folder).lab)
        with _grading(lab, Choice(), options) as (progress, where):
            derived = derive(folder, student, lab, progress, where)
    if options.form == JSON:
        say_json(
            {
                **asdict(found),
                "derived": [
                    {**one.graded._asdict(), "same": one.same, "words": one.words} for one in derived
                ],
            }
        )
    else:
        _print_verified(found, derived, folder)
        if not found.finished:
            say(
                "not finished: this class is still being graded, or that was killed; the same `isolab grade` "
                f"goes on, and writes {GRADES} and the other files"
            )
    return Exit.FAILED if found.problems or not all(one.same for one in derived) else Exit.PASSED


def _print_verified(found: Verification, derived: Sequence[Derived], folder: Path) -> None:
    for line in found.problems:
        say(line)
    for line in found.left:
        say(f"not sealed yet, no problem: {line}")
    say(
        f"{folder}: {counted(found.receipts, 'receipt')} ({found.superseded} superseded), "
        f"{counted(found.records, 'record')}: "
        + (f"{counted(len(found.problems), 'problem')}" if found.problems else "all as they were sealed")
    )
    say(f"key {found.key}\nlast receipt {found.head}")
    for one in derived:
        verdict = "the same verdict" if one.same else "ANOTHER VERDICT"
        say(f"{one.graded}: {verdict}" + (f" ({printable('; '.join(one.words))})" if one.words else ""))


def require_together(mode: Mode, options: Options) -> None:
    """Raise SpecError for what was given and has no use with what is to be done."""
    given = {**asdict(options), **asdict(mode)}
    idle = {**asdict(Options()), **asdict(Mode())}
    names = [name for name, value in given.items() if value != idle[name]]
    if mode.verify:
        what, useful = "--verify", {"verify", "student", "key", "form", "cluster", "pins"}
    elif mode.self_test:
        what, useful = "--self-test", {"self_test", "lab", "only", "exercises", "form", "cluster", "pins"}
    else:
        what, useful = "", {*asdict(options), "lab", "submissions"}
    for name in names:
        if name not in useful:
            called = _CALLED.get(name, f"--{name.replace('_', '-')}")
            words = f"{called} has no use with {what}" if what else f"{called} goes with --verify FOLDER"
            raise SpecError(f"grade: {words}", hint="isolab help grade")


_CALLED = {"lab": "LAB", "submissions": "SUBMISSIONS", "exercises": "--exercise", "form": "--format"}


def _lab(path: str) -> LoadedLab:
    if not path:
        raise SpecError("grade: which lab?", hint="isolab grade LAB SUBMISSIONS; `isolab list` lists labs")
    return open_lab(path)


def choice_of(lab: LoadedLab, options: Options) -> Choice:
    """Return what the options choose of a lab. Raises SpecError for a name that is not in it."""
    if options.repeat < 1:
        raise SpecError(f"--repeat {options.repeat}: expected a number of times, at least 1")
    return Choice(
        chosen(options.only, list(lab.lab.machines), "machine"),
        chosen(options.exercises, [one.name for one in lab.exercises], "exercise"),
        options.again,
        options.repeat,
    )


def _exports(options: Options, policy: Policy) -> Exports:
    signing = signing_key(state_dir())
    return Exports(
        moodle=Path(options.moodle) if options.moodle else None,
        canvas=Path(options.canvas) if options.canvas else None,
        canvas_column=options.canvas_column,
        policy=policy,
        named=options.names,
        key=course_key(signing),
        signing=signing,
        similarity=options.similarity,
    )


@contextlib.contextmanager
def _grading(lab: LoadedLab, choice: Choice, options: Options) -> Iterator[tuple[Progress, Where]]:
    """Show progress for a ``with`` block in which something is graded, and yield where; Ctrl-C and SIGTERM
    end it in words. Raises SpecError, Unavailable."""
    unsure: Unsure = {}
    machines = choice.machines or tuple(lab.lab.machines)
    where = where_of(options.cluster, options.pins, machines, unsure)
    quiet = options.form == JSON and sys.stderr.isatty()
    try:
        with stop_signals(), shown(quiet=quiet) as progress:
            yield progress, where
    except KeyboardInterrupt:
        words = interrupted("verdicts were kept", unsure)
        raise Interrupted(words, hint="the same command goes on where it was") from None


def _exit_code(grades: Sequence[Grade]) -> Exit:
    if any(grade.verdict is Verdict.NO_RESULT for grade in grades):
        return Exit.INFRASTRUCTURE
    lost = any(grade.points is None or grade.points < grade.max_points for grade in grades)
    return Exit.FAILED if lost else Exit.PASSED


def _print(
    outcome: Outcome,
    intake: Intake,
    out: Path,
    written: Sequence[Path],
    options: Options,
    counting: Sequence[Grade],
) -> None:
    """Say what came out; ``counting`` are the grades that count, without superseded attempts."""
    grades = outcome.book.grades
    if options.form == JSON:
        say_json(data_of(outcome, intake, out, written))
        return
    counts = Counter(grade.verdict for grade in grades)
    say(
        f"{counted(len(outcome.book.students), 'student')}, "
        f"{counted(len(outcome.book.exercises), 'exercise')}: "
        + ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict)
    )
    say(f"graded now: {outcome.graded}, found on disk: {outcome.found} (verdicts on a machine)")
    for verdict in (Verdict.NO_RESULT, Verdict.NOT_GRADABLE):
        _list(f"{verdict}:", [_line(grade) for grade in counting if grade.verdict is verdict])
    if outcome.changes:
        say(f"\ngraded again: {summary(outcome.changes)}; what changed is in {out / CHANGES}")
        _list("", told(outcome.changes))
    if outcome.by_policy:
        say(f"\nby the policy: {summary(outcome.by_policy)}; who is in {out / CHANGES}")
        _list("", told(outcome.by_policy))
    unstable = [_unstable(grade) for grade in grades if grade.unstable]
    _list("not the same each time:", unstable)
    if options.repeat > 1 and not unstable:
        say(f"\ngraded {options.repeat} times: the same each time")
    say(f"\ngrades:   {out / GRADES}\nlecturer: {out / 'lecturer.html'}\nfeedback: {out / 'feedback'}")
    for path in written:
        if path.parent.name in PLATFORMS and path.suffix == ".csv":
            say(f"{path.parent.name + ':':<9} {path} ({_left_out(path.parent / NOT_FILLED)})")


def _list(title: str, lines: Sequence[str]) -> None:
    if not lines:
        return
    if title:
        say(f"\n{title}")
    for line in lines[:MOST_LISTED]:
        say(f"  {line}")
    if len(lines) > MOST_LISTED:
        say(f"  … and {len(lines) - MOST_LISTED} more")


def _left_out(notes: Path) -> str:
    """Return how many rows or students the file beside a platform's lists, which were not filled in."""
    number = len(notes.read_text(encoding="utf-8").splitlines())
    return f"{counted(number, 'note')}: see {notes.name}" if number else "all filled in"


def _write_changes(outcome: Outcome, out: Path) -> tuple[Path, ...]:
    changes = (*outcome.changes, *outcome.by_policy)
    if not changes and not (out / CHANGES).exists():
        return ()  # one of an earlier grading would say that this one changed something
    write_atomically(out / CHANGES, render(changes).encode(errors="backslashreplace"))
    return (out / CHANGES,)


def _line(grade: Grade) -> str:
    first, _, rest = grade.reason.partition("\n")
    words = f"{first} {rest.strip().partition(chr(10))[0]}" if first.endswith(":") else first
    return f"{_who(grade)}: {grade.exercise}: {bounded(printable(words), MOST_CHARACTERS)}"


def _unstable(grade: Grade) -> str:
    return f"{_who(grade)}: {grade.exercise}: {printable('; '.join(grade.unstable))}"


def _who(grade: Grade) -> str:
    name = printable(grade.student.id)
    return name if grade.attempt == 1 else f"{name} (attempt {grade.attempt})"


def data_of(outcome: Outcome, intake: Intake, out: Path, written: Sequence[Path]) -> dict[str, Any]:
    """Return what came out as JSON data."""
    grades = outcome.book.grades
    counts = Counter(grade.verdict for grade in grades)
    return {
        "folder": str(out),
        "exit_code": int(_exit_code(grades)),
        "layout": intake.layout,
        "submissions": len(intake.submissions),
        "students": len(outcome.book.students),
        "notes": list(intake.notes),
        "verdicts": {str(verdict): counts[verdict] for verdict in Verdict},
        "graded": outcome.graded,
        "found": outcome.found,
        "no_result": [_named(grade) for grade in grades if grade.verdict is Verdict.NO_RESULT],
        "not_gradable": [_named(grade) for grade in grades if grade.verdict is Verdict.NOT_GRADABLE],
        "changes": [
            {"place": one.place._asdict(), "moved": one.moved, "before": one.before, "after": one.after,
             "inputs": list(one.inputs), "details": list(one.details)}
            for one in (*outcome.changes, *outcome.by_policy)
        ],
        "unstable": [{**_named(grade), "what": list(grade.unstable)} for grade in grades if grade.unstable],
        "files": [str(path) for path in written],
    }  # fmt: skip


def _named(grade: Grade) -> Mapping[str, Any]:
    return {
        "student": grade.student.id,
        "exercise": grade.exercise,
        "attempt": grade.attempt,
        "reason": grade.reason,
    }
