"""Make all hosts of a cluster warm at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from orchestrator.arch import Arch
from orchestrator.cluster.install.version import Installed
from orchestrator.cluster.reach.connection import HostConnection
from orchestrator.cluster.warm import caches
from orchestrator.cluster.warm.templates import Doing, WarmHost, Warmth, warm_templates
from orchestrator.deadline import Deadline
from orchestrator.errors import Interrupted, LabError
from orchestrator.labfile.image_recipe import Recipe

Say = Callable[[str], None]


@dataclass(frozen=True)
class ReachedHost:
    """A host with isolab on it and its agent, and the connection to it."""

    warm: WarmHost
    connection: HostConnection
    installed: Installed


def warm_hosts(
    hosts: Sequence[ReachedHost],
    wanted: Sequence[tuple[Recipe, Arch]],
    deadline: Deadline,
    say: Say,
    doing: Doing = lambda _host, _what: None,
) -> dict[str, Warmth]:
    """Have images, toolchains and templates for machines of these images on all hosts; returns what each has.

    ``say`` is told what is sent, and what goes wrong with one host: then that makes for itself what it lacks
    when a job needs it. ``doing`` is told what each host is doing. Raises TimedOut, Interrupted.
    """
    with ThreadPoolExecutor(max(1, len(hosts))) as pool, deadline.cancellation.on_failure():
        failed = dict(pool.map(lambda host: (host.warm.name, _send(host, wanted, deadline, say)), hosts))
    pairs = [(recipe.image, arch.name) for recipe, arch in wanted]
    found = warm_templates([host.warm for host in hosts], pairs, deadline, say, doing)
    return {name: replace(one, problem=one.problem or failed[name]) for name, one in found.items()}


def _send(host: ReachedHost, wanted: Sequence[tuple[Recipe, Arch]], deadline: Deadline, say: Say) -> str:
    able = [(recipe, arch) for recipe, arch in wanted if host.warm.can(arch.name)]
    folders = caches.worth_sending(able, host.warm.facts.arch)
    try:
        caches.send(host.connection, host.installed, folders, deadline, say)
    except Interrupted:
        raise
    except LabError as problem:
        say(f"{problem.message}; it makes for itself what it lacks")
        return problem.message
    return ""
