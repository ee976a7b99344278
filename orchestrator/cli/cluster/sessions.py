"""up, status, ssh, push, pull, console, logs, reset, down, gc with --cluster: the verbs of sessions, each
carried out by the isolab of the machine's host."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from orchestrator.cli.choose import chosen
from orchestrator.cli.cluster.options import complain, open_hosts
from orchestrator.cli.copy_files import Enter, limit_of, outgoing_named, received, require_paths, sent
from orchestrator.cli.output import JSON, check_format, mib, say, say_json, table
from orchestrator.cli.sessions import lab_and_session
from orchestrator.cli.signals import stop_signals
from orchestrator.cluster.hosts_up import HostsUp, hosts_up
from orchestrator.cluster.model import ClusterHost
from orchestrator.cluster.sessions import remote
from orchestrator.cluster.sessions.places import PlacedMachine, Places, placed
from orchestrator.cluster.sessions.up import bring_up
from orchestrator.errors import Exit, Interrupted, SpecError
from orchestrator.host import process
from orchestrator.progress import Progress, shown
from orchestrator.sessions.names import only

STATUS_SECONDS, WORK_SECONDS = 120.0, 3600.0


def up(
    cluster: str,
    path: str,
    only: tuple[str, ...],
    cold: bool,
    session: str,
    form: str,
    machines: tuple[str, ...] = (),
) -> Exit:
    """Bring up those machines of a lab that are not up, each on the host that suits it. Returns 3 if one
    fails."""
    check_format(form)
    lab, name = lab_and_session(path, machines, session)
    only = chosen(only, list(lab.lab.machines), "machine")
    with _working(cluster, form) as (hosts, progress):
        raised = bring_up(lab, name, only, hosts, progress, cold=cold)
    if form == JSON:
        up_now = [{"name": one.name, "host": one.host} for one in raised.up]
        say_json({"session": name, "up": up_now, "failed": dict(raised.failed)})
    else:
        for one in raised.up:
            say(f"{one.name} is up on {one.host}: isolab ssh {one.name} --cluster {cluster}")
        complain(raised.failed)
    return Exit.INFRASTRUCTURE if raised.failed else Exit.PASSED


def status(cluster: str, form: str) -> Exit:
    """List the machines on all hosts. Returns 3 if a host does not answer."""
    check_format(form)
    with _working(cluster, form) as (hosts, _):
        said, failed = hosts.each(lambda host: remote.ask(hosts, host, ["status"], STATUS_SECONDS))
        known = Places(hosts.state).machines()
    rows = [{"host": host, **row} for host, found in sorted(said.items()) for row in _rows(found)]
    there = {(row["host"], row["name"]) for row in rows}
    lost = [one for one in known if one.host in said and (one.host, one.name) not in there]
    if form == JSON:
        gone = [{"name": one.name, "host": one.host} for one in lost]
        say_json({"machines": rows, "gone": gone, "failed": dict(failed)})
    elif rows:
        head = ("HOST", "MACHINE", "STATE", "DRIVER", "ARCH", "START", "SINCE", "IN USE")
        say(table(head, [_cells(row) for row in rows]))
    else:
        say("no running machines in this cluster; `isolab up LAB --cluster HOSTS` starts some")
    for one in lost if form != JSON else ():
        say(f"{one.name} is not on {one.host} any more; `isolab down {one.name}` forgets it")
    complain(failed if form != JSON else {})
    return Exit.INFRASTRUCTURE if failed else Exit.PASSED


def _rows(found: Any) -> list[dict[str, Any]]:
    rows = found.get("machines") if isinstance(found, dict) else None
    return [row for row in rows or [] if isinstance(row, dict) and isinstance(row.get("name"), str)]


def _cells(row: Mapping[str, Any]) -> list[str]:
    used = row.get("memory_in_use")
    words = [str(row.get(key) or "-") for key in ("host", "name", "state", "driver", "arch", "start")]
    since = str(row.get("since", ""))[:16].replace("T", " ")
    return [*words, since, mib(used) if isinstance(used, int) and used else "-"]


def ssh(cluster: str, name: str, command: tuple[str, ...], user: str, force_tty: bool) -> Exit | int:
    """Run a shell, or one command, in a machine, and exit with its status."""
    with hosts_up(open_hosts(cluster)) as hosts:
        one, host = _one(hosts, name)
        terminal = os.isatty(0) and os.isatty(1) and (not command or force_tty)
        words = ["ssh", one.name, "--user", user, *(["--tty"] if force_tty else [])]
        words += ["--", *command] if command else []
        argv = remote.command(hosts, host, words, tty=terminal)
    process.become(argv)
    return Exit.PASSED  # not reached


def push(cluster: str, name: str, words: tuple[str, ...], user: str, form: str) -> Exit:
    """Copy files and folders to a machine, as one of its users."""
    check_format(form)
    what = outgoing_named("push", name, words)
    with hosts_up(open_hosts(cluster)) as hosts:
        one, host = _one(hosts, name)
        enter = _entry(hosts, one, host, user)
        return sent(one.name, words, what, user, _uid(enter, hosts), form, enter)


def pull(cluster: str, name: str, words: tuple[str, ...], user: str, limit: str, form: str) -> Exit:
    """Copy files and folders from a machine, as one of its users."""
    check_format(form)
    most = limit_of(limit)
    require_paths(name, words)
    with hosts_up(open_hosts(cluster)) as hosts:
        one, host = _one(hosts, name)
        return received(one.name, words, most, form, _entry(hosts, one, host, user))


def _uid(enter: Enter, hosts: HostsUp) -> int:
    """Return the number of the user that ``enter`` enters as. Raises LabError."""
    done = process.run(enter(["/bin/sh", "-c", "id -u"]), deadline=hosts.deadline(STATUS_SECONDS))
    return int(done.stdout)


def _entry(hosts: HostsUp, one: PlacedMachine, host: ClusterHost, user: str) -> Enter:
    def entry(words: Sequence[str]) -> list[str]:
        return remote.command(hosts, host, ["ssh", one.name, "--user", user, "--", *words])

    return entry


def forward(cluster: str, verb: str, name: str, *options: str) -> Exit | int:
    """Do a verb about one machine on its host, on the same terminal: console, logs."""
    with hosts_up(open_hosts(cluster)) as hosts:
        one, host = _one(hosts, name)
        argv = remote.command(hosts, host, [verb, one.name, *options])
    process.become(argv)
    return Exit.PASSED  # not reached


def reset(cluster: str, names: tuple[str, ...], form: str) -> Exit:
    """Replace machines by fresh ones. Returns 3 if one fails."""
    check_format(form)
    with _working(cluster, form) as (hosts, progress):
        there = placed(names, Places(hosts.state).machines())
        done, failed = _on_their_hosts(hosts, "reset", there, progress)
    return _told(form, "reset", done, failed, "{} is up again, fresh, on {}")


def down(cluster: str, names: tuple[str, ...], everything: bool, form: str) -> Exit:
    """Take machines down. Returns 3 if one cannot be removed."""
    check_format(form)
    if bool(names) == everything:
        raise SpecError("name machines or sessions, or use --all (not both)", hint="see `isolab status`")
    with _working(cluster, form) as (hosts, progress):
        places = Places(hosts.state)
        there = places.machines() if everything else placed(names, places.machines())
        gone = _gone(hosts, there)
        done, failed = _on_their_hosts(hosts, "down", [one for one in there if one not in gone], progress)
        places.forget([*done, *gone])
    return _told(form, "down", [*done, *gone], failed, "{} was taken down on {}")


def _gone(hosts: HostsUp, there: Sequence[PlacedMachine]) -> list[PlacedMachine]:
    """Return the machines that their hosts, which answer, do not have any more."""
    wanted = [host for host in hosts.cluster.hosts if host.name in {one.host for one in there}]
    said, _ = hosts.each(lambda host: remote.ask(hosts, host, ["status"], STATUS_SECONDS), wanted)
    have = {(host, row["name"]) for host, found in said.items() for row in _rows(found)}
    return [one for one in there if one.host in said and (one.host, one.name) not in have]


def gc(cluster: str, form: str) -> Exit:
    """Remove on every host what dead isolabs left there. Returns 3 if something cannot be removed."""
    check_format(form)

    def clean(host: ClusterHost) -> None:
        remote.carry_out(hosts, host, ["gc"], WORK_SECONDS, progress)

    with _working(cluster, form) as (hosts, progress):
        done, failed = hosts.each(clean)
    if form == JSON:
        say_json({"clean": sorted(done), "failed": dict(failed)})
    complain(failed if form != JSON else {})
    return Exit.INFRASTRUCTURE if failed else Exit.PASSED


def _on_their_hosts(
    hosts: HostsUp, verb: str, there: Sequence[PlacedMachine], progress: Progress
) -> tuple[list[PlacedMachine], dict[str, str]]:
    """Do a verb with machines on their hosts at once; returns those it is done with, and why not the rest, by
    host."""
    wanted: defaultdict[str, list[PlacedMachine]] = defaultdict(list)
    for one in there:
        wanted[one.host].append(one)

    def act(host: ClusterHost) -> None:
        names = [one.name for one in wanted[host.name]]
        remote.carry_out(hosts, host, [verb, *names], WORK_SECONDS, progress)

    known = [host for host in hosts.cluster.hosts if host.name in wanted]
    done, failed = hosts.each(act, known)
    for name in set(wanted) - {host.name for host in known}:
        failed[name] = "the hosts file does not have it any more; add it again, or see to it there"
    return [one for name in done for one in wanted[name]], failed


def _one(hosts: HostsUp, name: str) -> tuple[PlacedMachine, ClusterHost]:
    """Return the one machine with this name, and its host. Raises SpecError."""
    one = only(name, placed([name], Places(hosts.state).machines()))
    host = hosts.cluster.host(one.host)
    if host is None:
        raise SpecError(
            f"{one.name} is on {one.host}, which the hosts file does not have any more",
            hint=f"add {one.host} to {hosts.cluster.file} again",
        )
    return one, host


@contextmanager
def _working(cluster: str, form: str) -> Iterator[tuple[HostsUp, Progress]]:
    found = open_hosts(cluster)
    try:
        with (
            stop_signals(),
            shown(quiet=form == JSON and sys.stderr.isatty()) as progress,
            hosts_up(found) as hosts,
        ):
            yield hosts, progress
    except KeyboardInterrupt:
        raise Interrupted("interrupted: `isolab status --cluster` shows what is up on the hosts") from None


def _told(
    form: str, verb: str, done: Sequence[PlacedMachine], failed: Mapping[str, str], sentence: str
) -> Exit:
    if form == JSON:
        say_json({verb: [{"name": one.name, "host": one.host} for one in done], "failed": dict(failed)})
    else:
        for one in done:
            say(sentence.format(one.name, one.host))
        complain(failed)
    return Exit.INFRASTRUCTURE if failed else Exit.PASSED
