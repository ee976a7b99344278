"""A machine that must not be of the host's own architecture: ``arch: [arm64, amd64]``.

The first of the list that is not the host's own is taken, so that a lab that adds a foreign machine to one
of the host's own compares two architectures on every host. A machine that is named after the first of the
list is named after the one it got.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.arch import ARCHITECTURES


def resolve(machine: Mapping[str, Any], name: str, host: str) -> tuple[dict[str, Any], str]:
    """Return the machine as the lab file has it with one architecture, and its name. Pure.

    ``host`` is the host's architecture by Debian's name, "" if unknown. A list that holds something else
    than architectures is reduced to that, for the usual check to complain of.
    """
    listed = machine.get("arch")
    if not isinstance(listed, list) or not listed:
        return dict(machine), name
    wrong = [one for one in listed if not isinstance(one, str) or one not in ARCHITECTURES]
    if wrong:
        return {**machine, "arch": wrong[0]}, name
    chosen = next((one for one in listed if one != host), listed[0])
    words = [chosen if word == listed[0] else word for word in name.split("-")]
    return {**machine, "arch": chosen}, "-".join(words)
