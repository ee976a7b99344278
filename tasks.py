"""The verbs of ``isolab``, as Invoke tasks. Each calls one function of the package."""

from __future__ import annotations

import shlex

from invoke import Context, Exit, task

_LAB = {"lab": "a built-in lab's name, such as separation, or the folder or file of a lab"}
_FORMAT = {"format": "text (default) or json"}
_NAME = "a machine that stays: MACHINE, or SESSION/MACHINE"
_USER = "who to be there: student (default), other or root"
_ONLY = {"only": "machines of the lab, with commas between them (default: all)"}


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


@task(help=_FORMAT)
def doctor(_context: Context, format: str = "text") -> None:  # noqa: A002
    """What this host can run: drivers, architectures, accelerator, missing packages."""
    from orchestrator.cli.doctor import doctor

    raise Exit(code=doctor(format))


@task(help={**_LAB, **_FORMAT})
def validate(_context: Context, lab: str, format: str = "text") -> None:  # noqa: A002
    """Every mistake in a lab and its exercises at once, with file, line and column."""
    from orchestrator.cli.labs import validate

    raise Exit(code=validate(lab, format))


@task(help={"kind": "lab (default), exercise or hidden (a student exercise's hidden tests)"})
def schema(_context: Context, kind: str = "lab") -> None:
    """JSON Schema of lab, exercise or hidden test files, for editors."""
    from orchestrator.cli.labs import print_schema

    raise Exit(code=print_schema(kind))


@task(help={**_LAB, **_ONLY, **_FORMAT})
def plan(_context: Context, lab: str, only: str = "", format: str = "text") -> None:  # noqa: A002
    """Dry run: machines, memory, ports, expected time; fits or short by how much."""
    from orchestrator.cli.labs import show_plan

    raise Exit(code=show_plan(lab, _names(only), format))


@task(
    help={
        "action": "build, list, verify, prune or export",
        "arch": "architectures, with commas between them (default: all; export: one, the host's own)",
        "format": "text (default) or json; export: ova, vmdk, vdi, qcow2 or raw",
        "image": "images, with commas between them (default: all; to build: those without a disk)",
        "out": "export: the file to write",
        "authorized-key": "export: a file with the public key that opens the machine",
        "name": "export: the machine's host name (default: isolab-IMAGE)",
    }
)
def images(
    _context: Context,
    action: str,
    image: str = "",
    arch: str = "",
    format: str = "",  # noqa: A002
    out: str = "",
    authorized_key: str = "",
    name: str = "",
) -> None:
    """Guest images: build, list, verify, prune, export for VMware and VirtualBox."""
    from orchestrator.cli.images import act, export

    if action == "export":
        raise Exit(code=export(image, _names(arch), format or "ova", out, authorized_key, name))
    raise Exit(code=act(action, _names(arch), format or "text", _names(image)))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        "exercise": "exercises of the lab, with commas between them (default: all)",
        "out": "where to leave records and reports (default: runs/<id>)",
        "cold": "boot every machine instead of cloning booted templates",
        "driver": "run the lab's virtual machines by this driver: qemu, libvirt",
        "work": "a student's folder: its files are run in place of the reference solutions",
    }
)
def run(
    _context: Context,
    lab: str,
    only: str = "",
    exercise: str = "",
    out: str = "",
    cold: bool = False,
    driver: str = "",
    work: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """Bring a lab up, run its exercises everywhere, compare the answers, tear it down."""
    from orchestrator.cli.run import run

    raise Exit(code=run(lab, _names(only), _names(exercise), out, cold, format, driver, work))


@task(help={**_LAB, "folder": "the folder to make; it may exist if it is empty", **_FORMAT})
def copy(_context: Context, lab: str, folder: str, format: str = "text") -> None:  # noqa: A002
    """Copy a lab with its exercises, to edit."""
    from orchestrator.cli.copy import copy

    raise Exit(code=copy(lab, folder, format))


@task(
    name="try",
    help={
        "program": "a C file, or a folder with a Makefile",
        "args": "arguments of the program, as one text",
        "on": "all (default), or machines with commas between them: process, sandbox, container, vm, s390x …",
        "stdin": "a file the program reads as its standard input",
        "build": "the command that builds it, with CC set to a compiler of each architecture",
        "timeout": "how long it may take on a native machine (default: 10s)",
        **_FORMAT,
    },
)
def try_program(
    _context: Context,
    program: str,
    args: str = "",
    on: str = "all",
    stdin: str = "",
    build: str = "",
    timeout: str = "10s",
    format: str = "text",  # noqa: A002
) -> None:
    """Compile one C program for every architecture, run it everywhere, show the differences."""
    from orchestrator.cli.try_ import attempt

    raise Exit(code=attempt(program, tuple(shlex.split(args)), on, stdin, build, timeout, format))


@task(
    help={
        "run": "the folder of a run",
        "format": "text (default), markdown, html, junit, csv, gradescope, json",
        "out": "file to write (default: standard output)",
    }
)
def report(_context: Context, run: str, format: str = "text", out: str = "") -> None:  # noqa: A002
    """A finished run as text, Markdown, HTML, JUnit, CSV, Gradescope or JSON."""
    from orchestrator.cli.report import report

    raise Exit(code=report(run, format, out))


@task(
    help={
        **_LAB,
        **_ONLY,
        **_FORMAT,
        "name": "what to call this session (default: the lab's name)",
        "cold": "boot every machine instead of cloning booted templates",
    }
)
def up(
    _context: Context,
    lab: str,
    only: str = "",
    name: str = "",
    cold: bool = False,
    format: str = "text",  # noqa: A002
) -> None:
    """Bring a lab's machines up and leave them running; those that are up stay as they are."""
    from orchestrator.cli.sessions import up

    raise Exit(code=up(lab, _names(only), cold, name, format))


@task(help=_FORMAT)
def status(_context: Context, format: str = "text") -> None:  # noqa: A002
    """Machines that stay: what they are, and whether they answer now."""
    from orchestrator.cli.sessions import status

    raise Exit(code=status(format))


@task(
    help={
        "name": _NAME,
        "command": "a command to run there instead of a shell: isolab ssh NAME -- COMMAND ARGUMENT…",
        "user": _USER,
        "tty": "give the command a terminal",
    }
)
def ssh(_context: Context, name: str, command: str = "", user: str = "student", tty: bool = False) -> None:
    """A terminal in a machine that stays, or one command: Ctrl-C, Ctrl-Z and resizing work."""
    from orchestrator.cli.ssh import ssh

    raise Exit(code=ssh(name, tuple(shlex.split(command)), user, tty))


@task(
    help={
        "name": _NAME,
        "files": "isolab push NAME FILE… [FOLDER]: of several words the last is the folder there",
        "user": _USER,
        **_FORMAT,
    }
)
def push(
    _context: Context,
    name: str,
    files: str = "",
    user: str = "student",
    format: str = "text",  # noqa: A002
) -> None:
    """Copy files and folders into a machine that stays."""
    from orchestrator.cli.copy_files import push

    raise Exit(code=push(name, tuple(shlex.split(files)), user, format))


@task(
    help={
        "name": _NAME,
        "paths": "isolab pull NAME PATH… [FOLDER]: of several words the last is the folder here",
        "user": _USER,
        "limit": "the most to take, such as 4GiB (default: 1GiB)",
        **_FORMAT,
    }
)
def pull(
    _context: Context,
    name: str,
    paths: str = "",
    user: str = "student",
    limit: str = "1GiB",
    format: str = "text",  # noqa: A002
) -> None:
    """Copy files and folders out of a machine that stays."""
    from orchestrator.cli.copy_files import pull

    raise Exit(code=pull(name, tuple(shlex.split(paths)), user, limit, format))


@task(help={"name": _NAME, "follow": "go on until the machine is taken down, or Ctrl-C", **_FORMAT})
def console(_context: Context, name: str, follow: bool = False, format: str = "text") -> None:  # noqa: A002
    """The console of a machine that stays: what its kernel and init have said."""
    from orchestrator.cli.logs import console

    raise Exit(code=console(name, follow, format))


@task(help={"name": _NAME, **_FORMAT})
def logs(_context: Context, name: str, format: str = "text") -> None:  # noqa: A002
    """The files there are about a machine that stays, with the end of each."""
    from orchestrator.cli.logs import logs

    raise Exit(code=logs(name, format))


@task(help={"name": _NAME + "; a SESSION means all of its machines", "further": "more names", **_FORMAT})
def reset(_context: Context, name: str, further: str = "", format: str = "text") -> None:  # noqa: A002
    """Throw a machine that stays away and put a new one in its place."""
    from orchestrator.cli.sessions import reset

    raise Exit(code=reset((name, *shlex.split(further)), format))


@task(
    name="ssh-config",
    help={"out": "file to write (default: standard output)", "user": _USER, **_FORMAT},
)
def ssh_config(_context: Context, out: str = "", user: str = "student", format: str = "text") -> None:  # noqa: A002
    """Entries for ssh, rsync and editors: a file for ~/.ssh/config.d, or `ssh -F FILE`."""
    from orchestrator.cli.ssh import ssh_config

    raise Exit(code=ssh_config(out, user, format))


@task(help={"names": "machines or sessions: isolab down NAME…", "all": "every machine that stays", **_FORMAT})
def down(_context: Context, names: str = "", all: bool = False, format: str = "text") -> None:  # noqa: A002
    """Take down machines that stay, with everything in them."""
    from orchestrator.cli.sessions import down

    raise Exit(code=down(tuple(shlex.split(names)), all, format))


@task(help={**_FORMAT, "forget": "give up what was left on machines elsewhere that do not answer any more"})
def gc(_context: Context, format: str = "text", forget: bool = False) -> None:  # noqa: A002
    """Remove what crashed or killed runs left behind."""
    from orchestrator.cli.gc import gc

    raise Exit(code=gc(format, forget))


@task(
    help={
        "ci": "also on real machines: all that guards behaviour, in 25 minutes",
        "all": "every test there is",
        "args": "further arguments for pytest, as one text",
    }
)
def test(_context: Context, ci: bool = False, all: bool = False, args: str = "") -> None:  # noqa: A002
    """The project's own tests: the quick ones, those of CI, or all."""
    from orchestrator.cli.test import test, tier_of

    raise Exit(code=test(tier_of(ci, all), tuple(args.split())))


@task(
    help={
        "rounds": "how often each start is measured (default and least: 5)",
        "crowd": "how many clones at once (default: 30)",
        "no-stock": "leave out the stock distribution, which takes minutes and root to build",
        "out": "a file for the rows as JSON",
        **_FORMAT,
    }
)
def bench(
    _context: Context,
    rounds: int = 5,
    crowd: int = 30,
    no_stock: bool = False,
    out: str = "",
    format: str = "text",  # noqa: A002
) -> None:
    """The project's own figures: start of clones, memory, overhead, whole commands."""
    from orchestrator.cli.bench import bench

    raise Exit(code=bench(rounds, crowd, not no_stock, out, format))
