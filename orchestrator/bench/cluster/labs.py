"""The labs that are run: programs that wait, on processes and guests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_EXERCISE = """\
title: A nap
build: {sources: [nap.c]}
run: ./nap
timeout: 120s
checks:
  - {that: exit_code, equals: 0}
"""
_PROGRAM = """\
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    const char *marks = "%(marks)s";
    char folder[4096], path[4096];

    /* One line for each time that it runs: where it stands names run, machine and exercise. */
    if (*marks && getcwd(folder, sizeof folder)) {
        FILE *file;

        snprintf(path, sizeof path, "%%s/%%d", marks, (int)getpid());
        file = fopen(path, "a");
        if (file) {
            fprintf(file, "%%s\\n", folder);
            fclose(file);
        }
    }
    usleep(%(micro)d);
    return puts("slept") < 0;
}
"""
PROCESS = "{driver: process}"
GUEST = "{{driver: qemu, arch: arm64, accel: tcg, memory: {memory}MiB}}"


def naps(
    folder: Path, machines: Mapping[str, str], times: int, seconds: float, marks: str = ""
) -> tuple[Path, list[tuple[str, str]]]:
    """Make a lab of exercises that wait so long; ``machines`` are by their names as a lab file has them, and
    each program leaves a line in the folder ``marks`` of its host (none: not). Returns the lab, and the
    machine and exercise of every record that it should have."""
    names = [f"nap{number}" for number in range(times)]
    for name in names:
        place = folder / name
        place.mkdir(parents=True)
        (place / "exercise.yaml").write_text(_EXERCISE)
        (place / "nap.c").write_text(_PROGRAM % {"marks": marks, "micro": int(seconds * 1e6)})
    rows = "".join(f"  {name}: {what}\n" for name, what in machines.items())
    paths = [f"./{name}" for name in names]
    (folder / "lab.yaml").write_text(f"lab: naps\nmachines:\n{rows}exercises: {json.dumps(paths)}\n")
    return folder, [(machine, path) for machine in machines for path in paths]


def processes(number: int) -> dict[str, str]:
    """Return so many machines that are processes, as a lab file has them."""
    return {f"p{index}": PROCESS for index in range(number)}


def guests(number: int, memory: int = 256) -> dict[str, str]:
    """Return so many guests, as a lab file has them; ``memory`` in MiB."""
    return {f"g{index}": GUEST.format(memory=memory) for index in range(number)}
