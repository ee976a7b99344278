"""A made-up run for the tests of reports: five exercises on twelve machines, one of them hostile."""

from __future__ import annotations

from typing import Any

from orchestrator.labfile.models import Exercise
from orchestrator.record import Record, Status
from orchestrator.results.comparison import About

HOSTILE = "[red]x[/red] <script>alert(1)</script> \x1b[31mred\x1b[0m \x00 | `a` **b**\n=cmd() \u202egnp.exe"
MACHINES = {
    "process": ("process", "process", "amd64", ""),
    "sandbox": ("sandbox", "sandbox", "amd64", ""),
    "container": ("container", "container", "amd64", ""),
    "vm": ("qemu", "vm", "amd64", "kvm"),
    "user-s390x": ("process", "user-emulation", "s390x", "tcg"),
    **{
        arch: ("qemu", "emulated", arch, "tcg")
        for arch in ("arm64", "armhf", "riscv64", "ppc64el", "s390x", "i386", "mipsel")
    },
}
BITS_32 = ("armhf", "i386", "mipsel")
EXERCISES = {
    "memory/types": Exercise(
        title="How wide, and which end first",
        explain="The size of a pointer and the order of bytes are the machine's.\nGuest programs see both.",
        run="./types",
        shows={
            "pointer_bits": "bits of a pointer",
            "byte_order": "byte order",
            "char_bits": "bits of a char",
        },
        checks=[{"that": "char_bits", "equals": 8, "why": "POSIX says so"}],
    ),
    "ipc/pipe-capacity": Exercise(title="A pipe holds only so much", run="./capacity"),
    "namespaces/uts": Exercise(
        title="A host name of one's own", run="./uts", shows={"changed": "host renamed"}
    ),
    "signals/handlers": Exercise(title="Handlers | races", run="./handlers"),
}


def observed(exercise: str, machine: str) -> dict[str, Any]:
    """What the five made-up programs find."""
    _, boundary, arch, _ = MACHINES[machine]
    big = arch == "s390x"
    found: dict[str, dict[str, Any]] = {
        "memory/types": {
            "pointer_bits": 32 if machine in BITS_32 else 64,
            "byte_order": "big" if big else "little",
            "char_bits": 8,
        },
        "ipc/pipe-capacity": {"capacity": 2**20 if arch == "ppc64el" else 2**16, "writer_blocked": True},
        "namespaces/uts": {"changed": boundary in ("container", "vm", "emulated")},
        "signals/handlers": {},
        "hostile/printer": {"said": HOSTILE if big else "x" * 500, HOSTILE: 1},
    }
    return found[exercise]


def verdict(exercise: str, machine: str) -> tuple[Status, str]:
    match exercise, machine:
        case "ipc/pipe-capacity", "ppc64el":
            return Status.FAIL, "capacity: expected 65536, got 1048576"
        case "namespaces/uts", "process" | "user-s390x":
            return Status.SKIP, "needs root"
        case "signals/handlers", "mipsel":
            return Status.ERROR, "the machine did not boot: no console output for 60 s"
        case "hostile/printer", "s390x":
            return Status.FAIL, HOSTILE
    return Status.PASS, ""


def made_up(exercise: str, machine: str, student: str = "") -> Record:
    driver, boundary, arch, accel = MACHINES[machine]
    status, reason = verdict(exercise, machine)
    ran = status in (Status.PASS, Status.FAIL)
    return Record(
        run="r1",
        lab="separation",
        host="lab1",
        machine=machine,
        student=student,
        driver=driver,
        boundary=boundary,
        arch=arch,
        accel=accel,
        exercise=exercise,
        status=status,
        reason=reason,
        points=1.0 if status is Status.PASS else 0.0,
        max_points=1.0,
        seconds=30.0 if machine == "mipsel" else 4.25 if boundary == "emulated" else 0.5,
        guest_seconds=0.1,
        exit_code=0 if ran else None,
        observations=observed(exercise, machine) if ran else {},
        stdout=HOSTILE if exercise == "hostile/printer" else "",
        stderr="y" * 10_000 if (exercise, machine) == ("hostile/printer", "vm") else "",
    )


def the_run() -> list[Record]:
    """Five exercises on twelve machines; one machine never got to the last of them."""
    pairs = [(exercise, machine) for machine in MACHINES for exercise in (*EXERCISES, "hostile/printer")]
    return [made_up(*pair) for pair in pairs if pair != ("hostile/printer", "i386")]


ABOUT = About(
    "Kinds of separation",
    "The same programs behind every boundary.",
    {"ipc/pipe-capacity": {"capacity.c": "int main(void) { return 0; } /* </script> */\n"}},
)


def a_large_run(said: str = "") -> list[Record]:
    """Sixty exercises on fifteen machines, each of which observed and printed something of its own."""
    return [
        Record(
            "r2", "large", "lab1", f"machine-{m}", "", "qemu", ("process", "container", "vm")[m % 3],
            ("amd64", "s390x", "armhf")[m % 2], "tcg", f"topic-{e // 6}/exercise-{e}",
            *((Status.FAIL, "capacity: expected 1") if (e * m) % 97 == 5 else (Status.PASS, "")),
            1.0, 1.0, 0.5, 0.5, 0, None,
            {f"key_{k}": ("same", m % 3, m % 2, "same", e)[k % 5] for k in range(8)},
            said or f"exercise {e} on machine {m}\n" * 40,
        )
        for m in range(15)
        for e in range(60)
    ]  # fmt: skip
