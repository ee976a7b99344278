"""Which keys of a machine mean something to which driver; others are mistakes. Pure.

Only keys a machine has itself are looked at: defaults are for machines of every driver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_ONLY_FOR = {
    key: "ssh" for key in ("address", "user", "key", "host_key", "jump", "folder", "boundary", "disposable")
}
"""Keys that one driver has and no other."""

_NEVER_FOR = {
    "ssh": {
        key: "it is what that machine has, nothing is made there"
        for key in ("image", "memory", "cpus", "accel", "engine")
    }
}
"""Keys that make no sense for a driver, and why."""


def misplaced(driver: str, keys: Iterable[str]) -> Iterator[tuple[str, str, str]]:
    """Each key that does not belong to the driver, what is wrong with it, and what to do."""
    for key in keys:
        owner = _ONLY_FOR.get(key, driver)
        if owner != driver:
            yield (
                key,
                f"{key} is a key of driver {owner}, not of {driver}",
                f"use driver: {owner}, or leave it out",
            )
        elif reason := _NEVER_FOR.get(driver, {}).get(key):
            yield key, f"driver {driver} has no {key}: {reason}", "leave it out"
