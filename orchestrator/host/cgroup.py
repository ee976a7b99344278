"""What the control groups of this process leave to it: a container may have less memory and fewer processors
than its host, whose figures ``/proc`` shows all the same. cgroups(7), of both versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_MOUNTED, _OWN = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_NO_LIMIT = 2**60
"""Version 1 writes the largest number of pages there could be."""


@dataclass(frozen=True)
class CgroupLimits:
    """``memory`` in bytes is what may still be used, page cache that can be dropped included; ``cpus`` is how
    many processors' time there is, such as 0.5. None where there is no limit."""

    memory: int | None
    cpus: float | None


def limits(mounted: Path = _MOUNTED, own: Path = _OWN) -> CgroupLimits:
    """Return what is left to this process by its groups and those above them."""
    memory = [_memory(group) for group in _groups("memory", mounted, own)]
    cpus = [_cpus(group) for group in _groups("cpu", mounted, own)]
    return CgroupLimits(
        min((one for one in memory if one is not None), default=None),
        min((one for one in cpus if one is not None), default=None),
    )


def _groups(controller: str, mounted: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of a controller's groups that this process is in. In a container their paths may be
    the host's: what is not there has no limits, and the mount itself is the container's group."""
    for line in _text(own).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:  # version 2
            yield from _upward(mounted, path)
        elif controller in controllers.split(","):
            for name in dict.fromkeys((controllers, controller)):
                yield from _upward(mounted / name, path)


def _upward(mounted: Path, path: str) -> Iterator[Path]:
    names = [name for name in path.split("/") if name not in ("", "..")]
    for depth in range(len(names), -1, -1):
        yield mounted.joinpath(*names[:depth])


def _memory(group: Path) -> int | None:
    """What a group may still use: its limit without what is in use and cannot be dropped."""
    for most, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        limit = _number(_text(group / most))
        if limit is not None and limit < _NO_LIMIT:
            droppable = re.search(rf"^{cache} (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
            in_use = (_number(_text(group / used)) or 0) - (int(droppable[1]) if droppable else 0)
            return max(0, limit - max(0, in_use))
    return None


def _cpus(group: Path) -> float | None:
    """How many processors' time a group gets in each period."""
    words = _text(group / "cpu.max").split()
    if len(words) < 2:
        words = [_text(group / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period")]
    quota, period = map(_number, words)
    return quota / period if quota and period else None


def _number(text: str) -> int | None:
    """A number; None for "max", -1 (version 1) and what is not there."""
    return int(text) if re.fullmatch(r"\d+\s*", text) else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
