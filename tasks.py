"""The verbs of ``isolab``, as Invoke tasks. Each calls one function of the package."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from invoke import Context, Exit, task

from orchestrator.cli.options import BENCH, CLASS, GC, GRADE, IMAGES, NEW, RUN, SCHEMA, TEST, TRY

_LAB = {"lab": "a built-in lab's name (such as separation), or the path of a lab's folder or file"}
_FORMAT = {"format": "text (default) or json"}
_RUN = {"run": "folder of a run, or `last` for the latest one"}
_NAME = "running machine: MACHINE or SESSION/MACHINE"
_USER = "user on the machine: student (default), other or root"
_ONLY = {"only": "machines of the lab, separated by commas (default: all)"}


def _names(words: Iterable[str] | None) -> tuple[str, ...]:
    """The names in words that may each hold several, separated by commas."""
    return tuple(name.strip() for word in words or () for name in word.split(",") if name.strip())


@task(help={**_FORMAT})
def doctor(_context: Context, format: str = "text") -> None:  # noqa: A002
    """Check what this host can run: drivers, architectures, accelerator, missing packages."""
    from orchestrator.cli.doctor import doctor

    raise Exit(code=doctor(format))


@task(help={"lab": f"{_LAB['lab']}; or a class's folder or file, or a hosts file", **_FORMAT})
def validate(_context: Context, lab: str, format: str = "text") -> None:  # noqa: A002
    """Report every mistake in a lab and its exercises, a class or a hosts file, with its place."""
    from orchestrator.cli.validate import validate

    raise Exit(code=validate(lab, format))


@task(help=SCHEMA, positional=["kind"])
def schema(_context: Context, kind: str = "lab") -> None:
    """Print the JSON Schema of lab, exercise, class … files, for editors."""
    from orchestrator.cli.labs import print_schema

    raise Exit(code=print_schema(kind))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        "submissions": "how long grading takes: a number of submissions, or the folder or archive of them",
    },
    iterable=["only"],
)
def plan(
    _context: Context,
    lab: str,
    only: list[str] | None = None,
    submissions: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Dry run: machines, memory, ports and expected time, and whether they fit."""
    from orchestrator.cli.labs import show_plan

    raise Exit(code=show_plan(lab, _names(only), format, submissions))


@task(
    help={
        **IMAGES,
    },
    positional=["action", "names"],
    iterable=["names", "image", "arch"],
)
def images(
    _context: Context,
    action: str,
    names: list[str] | None = None,
    image: list[str] | None = None,
    arch: list[str] | None = None,
    format: str = "",  # noqa: A002
    out: str = "",
    authorized_key: str = "",
    name: str = "",
) -> None:
    """Build, list, verify and prune guest images, or export one for VMware or VirtualBox."""
    from orchestrator.cli.images import act, export

    chosen = _names([*(names or ()), *(image or ())])
    if action == "export":
        only = ",".join(chosen)
        raise Exit(code=export(only, _names(arch), format or "ova", out, authorized_key, name))
    raise Exit(code=act(action, _names(arch), format or "text", chosen))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        **RUN,
    },
    iterable=["only", "exercise"],
)
def run(
    _context: Context,
    lab: str,
    only: list[str] | None = None,
    exercise: list[str] | None = None,
    out: str = "",
    cold: bool = False,
    driver: str = "",
    work: str = "",
    timeout: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Bring up a lab, run its exercises on every machine, compare the results, tear it down."""
    from orchestrator.cli.run import run

    raise Exit(code=run(lab, _names(only), _names(exercise), out, cold, format, driver, work, timeout))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        **GRADE,
    },
    positional=["lab", "submissions"],
    iterable=["only", "exercise"],
)
def grade(
    _context: Context,
    lab: str = "",
    submissions: str = "",
    only: list[str] | None = None,
    exercise: list[str] | None = None,
    roster: str = "",
    layout: str = "",
    out: str = "",
    again: bool = False,
    repeat: int = 1,
    policy: str = "",
    moodle: str = "",
    canvas: str = "",
    canvas_column: str = "",
    names: bool = False,
    similarity: bool = False,
    verify: str = "",
    key: str = "",
    student: str = "",
    self_test: bool = False,
    format: str = "text",  # noqa: A002
) -> None:
    """Grade a class's submissions, each on fresh machines; verdicts, receipts and feedback.

    Killed or interrupted, the same command goes on where it was; without changes it grades nothing twice."""
    from orchestrator.cli.grade import Mode, Options
    from orchestrator.cli.grade_what import grade_what

    options = Options(
        roster=roster,
        layout=layout,
        out=out,
        only=_names(only),
        exercises=_names(exercise),
        again=again,
        repeat=repeat,
        moodle=moodle,
        canvas=canvas,
        canvas_column=canvas_column,
        policy=policy,
        names=names,
        similarity=similarity,
        form=format,
    )
    raise Exit(code=grade_what(Mode(lab, submissions, verify, key, student, self_test), options))


@task(
    help={
        **_LAB,
        **_FORMAT,
        "folder": "folder to create (may exist if empty)",
        "for": "student: without hidden tests and solutions, to hand out",
        "roster": "with --for student: CSV file of the class; each gets a folder with own parameters",
    }
)
def copy(
    _context: Context,
    lab: str,
    folder: str,
    for_: str = "",
    roster: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Copy a lab and its exercises, to edit or to hand out."""
    from orchestrator.cli.copy import copy

    raise Exit(code=copy(lab, folder, format, for_, roster))


@task(help={**NEW, **_FORMAT})
def new(
    _context: Context,
    folder: str,
    class_: bool = False,
    hosts: bool = False,
    format: str = "text",  # noqa: A002
) -> None:
    """Start a lab of your own: a lab file, an exercise and its README, ready to run; a class; a cluster."""
    from orchestrator.cli.new import new

    raise Exit(code=new(folder, format, of_class=class_, of_hosts=hosts))


@task(
    name="list",
    help={"what": "labs, exercises or images (default: labs)", **_FORMAT},
    positional=["what"],
)
def list_content(_context: Context, what: str = "labs", format: str = "text") -> None:  # noqa: A002
    """List the labs, exercises or images there are to use."""
    from orchestrator.cli.list_ import list_content

    raise Exit(code=list_content(what, format))


@task(
    name="try",
    help={
        **TRY,
        **_FORMAT,
    },
    positional=["path", "args"],
    iterable=["args", "on"],
)
def try_program(
    _context: Context,
    path: str,
    args: list[str] | None = None,
    on: list[str] | None = None,
    stdin: str = "",
    build: str = "",
    program: str = "",
    warnings: bool = False,
    timeout: str = "10s",
    format: str = "text",  # noqa: A002
) -> None:
    """Compile a C or C++ program for every architecture, run it everywhere, show the differences."""
    from orchestrator.cli.try_ import try_everywhere

    machines, words = ",".join(_names(on)) or "all", tuple(args or ())
    code = try_everywhere(path, words, machines, stdin, build, timeout, format, program, warnings)
    raise Exit(code=code)


@task(
    help={
        **_RUN,
        "format": "text (default), markdown, html, junit, csv, gradescope, json",
        "out": "file to write (default: standard output)",
        "for": "student (without anything of hidden tests) or lecturer (default; Gradescope: student)",
    }
)
def report(_context: Context, run: str, format: str = "text", out: str = "", for_: str = "") -> None:  # noqa: A002
    """Show a finished run as text, Markdown, HTML, JUnit, CSV, Gradescope or JSON."""
    from orchestrator.cli.report import report

    raise Exit(code=report(run, format, out, for_))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        "name": "name of the session (default: the lab's name)",
        "cold": "boot every machine instead of cloning booted templates",
        "machine": "machines without a lab file, separated by commas: s390x, vm, container …",
    },
    positional=["lab"],
    iterable=["only", "machine"],
)
def up(
    _context: Context,
    lab: str = "",
    only: list[str] | None = None,
    machine: list[str] | None = None,
    name: str = "",
    cold: bool = False,
    format: str = "text",  # noqa: A002
) -> None:
    """Bring up a lab's machines and leave them running; those already up are left alone.

    Without a lab file: isolab up --machine s390x, then isolab ssh s390x, isolab down s390x."""
    from orchestrator.cli.sessions import up

    raise Exit(code=up(lab, _names(only), cold, name, format, _names(machine)))


@task(help={**_FORMAT})
def status(_context: Context, format: str = "text") -> None:  # noqa: A002
    """List running machines, and whether they respond."""
    from orchestrator.cli.sessions import status

    raise Exit(code=status(format))


@task(
    help={
        "name": _NAME,
        "command": "command to run instead of a shell: isolab ssh NAME -- COMMAND ARGUMENT…",
        "user": _USER,
        "tty": "allocate a terminal for the command",
    },
    positional=["name", "command"],
    iterable=["command"],
)
def ssh(
    _context: Context,
    name: str,
    command: list[str] | None = None,
    user: str = "student",
    tty: bool = False,
) -> None:
    """Open a terminal in a running machine, or run one command in it."""
    from orchestrator.cli.ssh import ssh

    raise Exit(code=ssh(name, tuple(command or ()), user, tty))


@task(
    help={
        "name": _NAME,
        "files": "isolab push NAME FILE… [FOLDER]: of several paths, the last is the folder on the machine",
        "user": _USER,
        **_FORMAT,
    },
    positional=["name", "files"],
    iterable=["files"],
)
def push(
    _context: Context,
    name: str,
    files: list[str] | None = None,
    user: str = "student",
    format: str = "text",  # noqa: A002
) -> None:
    """Copy files and folders to a running machine."""
    from orchestrator.cli.copy_files import push

    raise Exit(code=push(name, tuple(files or ()), user, format))


@task(
    help={
        "name": _NAME,
        "paths": "isolab pull NAME PATH… [FOLDER]: of several paths, the last is the local folder",
        "user": _USER,
        "limit": "maximum size, such as 4GiB (default: 1GiB)",
        **_FORMAT,
    },
    positional=["name", "paths"],
    iterable=["paths"],
)
def pull(
    _context: Context,
    name: str,
    paths: list[str] | None = None,
    user: str = "student",
    limit: str = "1GiB",
    format: str = "text",  # noqa: A002
) -> None:
    """Copy files and folders from a running machine."""
    from orchestrator.cli.copy_files import pull

    raise Exit(code=pull(name, tuple(paths or ()), user, limit, format))


@task(help={"name": _NAME, "follow": "keep printing until the machine is taken down, or Ctrl-C", **_FORMAT})
def console(_context: Context, name: str, follow: bool = False, format: str = "text") -> None:  # noqa: A002
    """Print the console of a running machine: the output of its kernel and init."""
    from orchestrator.cli.logs import console

    raise Exit(code=console(name, follow, format))


@task(help={"name": _NAME, **_FORMAT})
def logs(_context: Context, name: str, format: str = "text") -> None:  # noqa: A002
    """List a running machine's log files, with the last lines of each."""
    from orchestrator.cli.logs import logs

    raise Exit(code=logs(name, format))


@task(
    help={"name": _NAME + "; SESSION for all of its machines", "further": "more names", **_FORMAT},
    positional=["name", "further"],
    iterable=["further"],
)
def reset(_context: Context, name: str, further: list[str] | None = None, format: str = "text") -> None:  # noqa: A002
    """Replace a running machine by a fresh one; everything in it is lost."""
    from orchestrator.cli.sessions import reset

    raise Exit(code=reset((name, *(further or ())), format))


@task(
    name="ssh-config",
    help={"out": "file to write (default: standard output)", "user": _USER, **_FORMAT},
)
def ssh_config(_context: Context, out: str = "", user: str = "student", format: str = "text") -> None:  # noqa: A002
    """Print entries for ssh, rsync and editors: for ~/.ssh/config.d, or `ssh -F FILE`."""
    from orchestrator.cli.ssh import ssh_config

    raise Exit(code=ssh_config(out, user, format))


@task(
    help={"names": "machines or sessions", "all": "all running machines", **_FORMAT},
    positional=["names"],
    iterable=["names"],
)
def down(
    _context: Context,
    names: list[str] | None = None,
    all: bool = False,  # noqa: A002
    format: str = "text",  # noqa: A002
) -> None:
    """Take down running machines, with everything in them."""
    from orchestrator.cli.sessions import down

    raise Exit(code=down(tuple(names or ()), all, format))


@task(
    name="class",
    help={**CLASS, **_FORMAT},
    positional=["action", "path", "further"],
    iterable=["further", "student", "group"],
)
def class_(
    _context: Context,
    action: str,
    path: str,
    further: list[str] | None = None,
    student: list[str] | None = None,
    group: list[str] | None = None,
    watch: bool = False,
    prune: bool = False,
    out: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Give a class its machines, let students in, and bring their work back."""
    from orchestrator.cli.classes import act
    from orchestrator.cli.classes.options import ClassOptions

    options = ClassOptions(_names(student), _names(group), format, watch, prune, out)
    raise Exit(code=act(action, path, tuple(further or ()), options))


@task(help={**_FORMAT, **GC})
def gc(_context: Context, format: str = "text", forget: bool = False, foreign: str = "") -> None:  # noqa: A002
    """Remove what crashed or killed runs left behind."""
    from orchestrator.cli.gc import gc

    raise Exit(code=gc(format, forget, foreign))


@task(help=TEST)
def test(_context: Context, ci: bool = False, all: bool = False, args: str = "") -> None:  # noqa: A002
    """Run the project's own tests: the quick ones, those of CI, or all."""
    from orchestrator.cli.test import test, tier_of

    raise Exit(code=test(tier_of(ci, all), tuple(shlex.split(args))))


@task(help={**BENCH, **_FORMAT}, positional=["what"])
def bench(
    _context: Context,
    what: str = "",
    rounds: int = 5,
    crowd: int = 30,
    no_stock: bool = False,
    submissions: int = 200,
    out: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Measure isolab itself: clone starts, memory, overhead, whole commands; grading, or a class."""
    from orchestrator.cli.bench import bench

    raise Exit(code=bench(what, submissions, (rounds, crowd, not no_stock), out, format))
