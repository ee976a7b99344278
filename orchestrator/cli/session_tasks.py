"""The verbs of sessions, as Invoke tasks: on this host, or with --cluster on the hosts of a cluster."""

from __future__ import annotations

from invoke import Context, Exit, task

from orchestrator.cli.options import (
    CLUSTER,
    FORMAT,
    LAB,
    NAME,
    ONLY,
    THAW,
    USER,
    names_in,
    require_thawing,
    wanted_cluster,
)


@task(
    help={
        **LAB,
        **ONLY,
        **FORMAT,
        "name": "name of the session (default: the lab's name)",
        "cold": "boot every machine instead of cloning booted templates",
        **THAW,
        "machine": "machines without a lab file, separated by commas: s390x, vm, container …",
        **CLUSTER,
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
    thaw: bool = False,
    format: str = "text",  # noqa: A002
    cluster: str = "",
) -> None:
    """Bring up a lab's machines and leave them running; those already up are left alone.

    Without a lab file: isolab up --machine s390x, then isolab ssh s390x, isolab down s390x."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        require_thawing(thaw, cluster=hosts)
        raise Exit(code=sessions.up(hosts, lab, names_in(only), cold, name, format, names_in(machine)))
    from orchestrator.cli.sessions import up

    require_thawing(thaw, cold=cold)
    raise Exit(code=up(lab, names_in(only), cold, name, format, names_in(machine), thaw))


@task(help={**FORMAT, **CLUSTER})
def status(_context: Context, format: str = "text", cluster: str = "") -> None:  # noqa: A002
    """List running machines, and whether they respond."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.status(hosts, format))
    from orchestrator.cli.sessions import status

    raise Exit(code=status(format))


@task(
    help={
        "name": NAME,
        "command": "command to run instead of a shell: isolab ssh NAME -- COMMAND ARGUMENT…",
        "user": USER,
        "tty": "allocate a terminal for the command",
        **CLUSTER,
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
    cluster: str = "",
) -> None:
    """Open a terminal in a running machine, or run one command in it."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.ssh(hosts, name, tuple(command or ()), user, tty))
    from orchestrator.cli.ssh import ssh

    raise Exit(code=ssh(name, tuple(command or ()), user, tty))


@task(
    help={
        "name": NAME,
        "files": "isolab push NAME FILE… [FOLDER]: of several paths, the last is the folder on the machine",
        "user": USER,
        **FORMAT,
        **CLUSTER,
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
    cluster: str = "",
) -> None:
    """Copy files and folders to a running machine."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.push(hosts, name, tuple(files or ()), user, format))
    from orchestrator.cli.copy_files import push

    raise Exit(code=push(name, tuple(files or ()), user, format))


@task(
    help={
        "name": NAME,
        "paths": "isolab pull NAME PATH… [FOLDER]: of several paths, the last is the local folder",
        "user": USER,
        "limit": "maximum size, such as 4GiB (default: 1GiB)",
        **FORMAT,
        **CLUSTER,
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
    cluster: str = "",
) -> None:
    """Copy files and folders from a running machine."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.pull(hosts, name, tuple(paths or ()), user, limit, format))
    from orchestrator.cli.copy_files import pull

    raise Exit(code=pull(name, tuple(paths or ()), user, limit, format))


@task(
    help={
        "name": NAME,
        "follow": "keep printing until the machine is taken down, or Ctrl-C",
        **FORMAT,
        **CLUSTER,
    }
)
def console(
    _context: Context,
    name: str,
    follow: bool = False,
    format: str = "text",  # noqa: A002
    cluster: str = "",
) -> None:
    """Print the console of a running machine: the output of its kernel and init."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        options = ("--follow",) if follow else ()
        raise Exit(code=sessions.forward(hosts, "console", name, "--format", format, *options))
    from orchestrator.cli.logs import console

    raise Exit(code=console(name, follow, format))


@task(help={"name": NAME, **FORMAT, **CLUSTER})
def logs(_context: Context, name: str, format: str = "text", cluster: str = "") -> None:  # noqa: A002
    """List a running machine's log files, with the last lines of each."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.forward(hosts, "logs", name, "--format", format))
    from orchestrator.cli.logs import logs

    raise Exit(code=logs(name, format))


@task(
    help={"name": NAME + "; SESSION for all of its machines", "further": "more names", **FORMAT, **CLUSTER},
    positional=["name", "further"],
    iterable=["further"],
)
def reset(
    _context: Context,
    name: str,
    further: list[str] | None = None,
    format: str = "text",  # noqa: A002
    cluster: str = "",
) -> None:
    """Replace a running machine by a fresh one; everything in it is lost."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.reset(hosts, (name, *(further or ())), format))
    from orchestrator.cli.sessions import reset

    raise Exit(code=reset((name, *(further or ())), format))


@task(
    name="ssh-config",
    help={"out": "file to write (default: standard output)", "user": USER, **FORMAT},
)
def ssh_config(_context: Context, out: str = "", user: str = "student", format: str = "text") -> None:  # noqa: A002
    """Print entries for ssh, rsync and editors: for ~/.ssh/config.d, or `ssh -F FILE`."""
    from orchestrator.cli.ssh import ssh_config

    raise Exit(code=ssh_config(out, user, format))


@task(
    help={"names": "machines or sessions", "all": "all running machines", **FORMAT, **CLUSTER},
    positional=["names"],
    iterable=["names"],
)
def down(
    _context: Context,
    names: list[str] | None = None,
    all: bool = False,  # noqa: A002
    format: str = "text",  # noqa: A002
    cluster: str = "",
) -> None:
    """Take down running machines, with everything in them."""
    if hosts := wanted_cluster(cluster):
        from orchestrator.cli.cluster import sessions

        raise Exit(code=sessions.down(hosts, tuple(names or ()), all, format))
    from orchestrator.cli.sessions import down

    raise Exit(code=down(tuple(names or ()), all, format))
