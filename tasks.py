"""The verbs of ``isolab``, as Invoke tasks. Each calls one function of the package."""

from __future__ import annotations

import shlex

from invoke import Context, Exit, task

from orchestrator.cli.options import (
    BENCH,
    CLASS,
    CLUSTER,
    CLUSTER_VERBS,
    FORMAT,
    GC,
    GRADE,
    IMAGES,
    LAB,
    NEW,
    ONLY,
    PIN,
    RUN,
    RUN_FOLDER,
    SCHEMA,
    TEST,
    TRY,
    names_in,
    wanted_cluster,
)
from orchestrator.cli.session_tasks import (  # noqa: F401 - Invoke takes the tasks that this module has
    console,
    down,
    logs,
    pull,
    push,
    reset,
    ssh,
    ssh_config,
    status,
    up,
)


@task(help={**FORMAT})
def doctor(_context: Context, format: str = "text") -> None:  # noqa: A002
    """Check what this host can run: drivers, architectures, accelerator, missing packages."""
    from orchestrator.cli.doctor import doctor

    raise Exit(code=doctor(format))


@task(help={"lab": f"{LAB['lab']}; or a class's folder or file, or a hosts file", **FORMAT})
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
        **LAB,
        **ONLY,
        **FORMAT,
        "submissions": "how long grading takes: a number of submissions, or the folder or archive of them",
        **CLUSTER,
        **PIN,
    },
    iterable=["only", "pin"],
)
def plan(
    _context: Context,
    lab: str,
    only: list[str] | None = None,
    submissions: str = "",
    format: str = "text",  # noqa: A002
    cluster: str = "",
    pin: list[str] | None = None,
) -> None:
    """Dry run: machines, memory, ports and expected time, and whether they fit."""
    if hosts := wanted_cluster(cluster):
        if submissions:
            from orchestrator.cli.cluster.plan_grading import show_grading

            some = names_in(only), submissions
            raise Exit(code=show_grading(hosts, lab, *some, format, names_in(pin)))
        from orchestrator.cli.cluster.plan import show

        raise Exit(code=show(hosts, lab, names_in(only), format, names_in(pin)))
    from orchestrator.cli.labs import show_plan

    raise Exit(code=show_plan(lab, names_in(only), format, submissions))


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

    chosen = names_in([*(names or ()), *(image or ())])
    if action == "export":
        only = ",".join(chosen)
        raise Exit(code=export(only, names_in(arch), format or "ova", out, authorized_key, name))
    raise Exit(code=act(action, names_in(arch), format or "text", chosen))


@task(
    help={
        **LAB,
        **ONLY,
        **FORMAT,
        **RUN,
        **CLUSTER,
        **PIN,
    },
    iterable=["only", "exercise", "pin"],
)
def run(
    _context: Context,
    lab: str,
    only: list[str] | None = None,
    exercise: list[str] | None = None,
    out: str = "",
    cold: bool = False,
    thaw: bool = False,
    driver: str = "",
    work: str = "",
    timeout: str = "",
    format: str = "text",  # noqa: A002
    cluster: str = "",
    pin: list[str] | None = None,
) -> None:
    """Bring up a lab, run its exercises on every machine, compare the results, tear it down."""
    from orchestrator.cli.run import run

    hosts = wanted_cluster(cluster)
    some = names_in(only), names_in(exercise)
    raise Exit(code=run(lab, *some, out, cold, format, driver, work, timeout, hosts, names_in(pin), thaw))


@task(
    help={
        **LAB,
        **ONLY,
        **FORMAT,
        **GRADE,
        **CLUSTER,
        **PIN,
    },
    positional=["lab", "submissions"],
    iterable=["only", "exercise", "pin"],
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
    cluster: str = "",
    pin: list[str] | None = None,
) -> None:
    """Grade a class's submissions, each on fresh machines; verdicts, receipts and feedback.

    Killed or interrupted, the same command goes on where it was; without changes it grades nothing twice."""
    from orchestrator.cli.grade import Mode, Options
    from orchestrator.cli.grade_what import grade_what

    options = Options(
        roster=roster,
        layout=layout,
        out=out,
        only=names_in(only),
        exercises=names_in(exercise),
        again=again,
        repeat=repeat,
        moodle=moodle,
        canvas=canvas,
        canvas_column=canvas_column,
        policy=policy,
        names=names,
        similarity=similarity,
        form=format,
        cluster=wanted_cluster(cluster),
        pins=names_in(pin),
    )
    raise Exit(code=grade_what(Mode(lab, submissions, verify, key, student, self_test), options))


@task(
    help={
        **LAB,
        **FORMAT,
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


@task(help={**NEW, **FORMAT})
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
    help={"what": "labs, exercises or images (default: labs)", **FORMAT},
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
        **FORMAT,
        **CLUSTER,
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
    libc: str = "musl",
    warnings: bool = False,
    timeout: str = "10s",
    thaw: bool = False,
    format: str = "text",  # noqa: A002
    cluster: str = "",
) -> None:
    """Compile a C or C++ program for every architecture, run it everywhere, show the differences."""
    from orchestrator.cli.try_ import try_everywhere

    machines, words = ",".join(names_in(on)) or "all", tuple(args or ())
    hosts = wanted_cluster(cluster)
    code = try_everywhere(
        path, words, machines, stdin, build, timeout, format, program, warnings, hosts, thaw, libc
    )
    raise Exit(code=code)


@task(
    help={
        **RUN_FOLDER,
        "format": "text (default), markdown, html, junit, csv, gradescope, json",
        "out": "file to write (default: standard output)",
        "for": "student (without anything of hidden tests) or lecturer (default; Gradescope: student)",
        "lab-page": "the lab's page and what the run found, as one HTML page to project",
        "page": "Markdown file to make it of, for a lab of your own",
    }
)
def report(
    _context: Context,
    run: str,
    format: str = "text",  # noqa: A002
    out: str = "",
    for_: str = "",
    lab_page: bool = False,
    page: str = "",
) -> None:
    """Show a finished run as text, Markdown, HTML, JUnit, CSV, Gradescope or JSON; or its lab as slides."""
    from orchestrator.cli import report

    if lab_page or page:
        raise Exit(code=report.lab_page(run, page, format, out, for_))
    raise Exit(code=report.report(run, format, out, for_))


@task(
    name="class",
    help={**CLASS, **FORMAT},
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
    cluster: str = "",
) -> None:
    """Give a class its machines, let students in, and bring their work back."""
    from orchestrator.cli.classes import act
    from orchestrator.cli.classes.options import ClassOptions

    options = ClassOptions(names_in(student), names_in(group), format, watch, prune, out, cluster)
    raise Exit(code=act(action, path, tuple(further or ()), options))


@task(name="cluster", help={**CLUSTER_VERBS, **FORMAT}, positional=["action", "hosts", "host"])
def cluster_(
    _context: Context,
    action: str,
    hosts: str = "",
    host: str = "",
    cold: bool = False,
    undo: bool = False,
    format: str = "text",  # noqa: A002
) -> None:
    """Make one cluster of several hosts, see how they are, and take it down."""
    from orchestrator.cli.cluster import act

    raise Exit(code=act(action, wanted_cluster(hosts), host, format, cold=cold, undo=undo))


@task(help={"serve": "be this host's agent, in the foreground, until it is not needed any more"})
def agent(_context: Context, serve: bool = False) -> None:
    """Used by a controller over SSH: talk to this host's agent, started if there is none."""
    from orchestrator.cli.cluster.agent import agent

    raise Exit(code=agent(serve))


@task(help={**FORMAT, **GC, **CLUSTER})
def gc(
    _context: Context,
    format: str = "text",  # noqa: A002
    forget: bool = False,
    foreign: str = "",
    cluster: str = "",
) -> None:
    """Remove what crashed or killed runs left behind."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.gc(hosts, format))
    from orchestrator.cli.gc import gc

    raise Exit(code=gc(format, forget, foreign))


@task(help=TEST)
def test(_context: Context, ci: bool = False, all: bool = False, args: str = "") -> None:  # noqa: A002
    """Run the project's own tests: the quick ones, those of CI, or all."""
    from orchestrator.cli.test import test, tier_of

    raise Exit(code=test(tier_of(ci, all), tuple(shlex.split(args))))


@task(help={**BENCH, **FORMAT}, positional=["what"])
def bench(
    _context: Context,
    what: str = "",
    rounds: int = 5,
    crowd: int = 30,
    no_stock: bool = False,
    submissions: int = 200,
    cluster: str = "",
    faults: int = 200,
    seed: int = 1,
    out: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Measure isolab itself: clone starts, memory, overhead, whole commands; grading, a class, a cluster."""
    from orchestrator.cli.bench import Faulty, bench

    faulty = Faulty(wanted_cluster(cluster), faults, seed)
    raise Exit(code=bench(what, submissions, (rounds, crowd, not no_stock), out, format, faulty))
