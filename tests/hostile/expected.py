"""What each submission of the class gets: its verdict and points in an exercise, and words of the reason."""

from __future__ import annotations

from dataclasses import dataclass

SCORED, NOT_GRADABLE = "scored", "not gradable"
ALL_SUM, ALL_DIRECT = 8.0, 4.0
VISIBLE_SUM, VISIBLE_DIRECT = 3.0, 2.0


@dataclass(frozen=True)
class Expected:
    """A row of grades.csv. ``points`` are one of these, where luck decides who is killed for want of memory.
    ``says`` are words of the reason, ``remarks`` of the student's feedback page."""

    verdict: str
    points: frozenset[float]
    says: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def scored(points: float | set[float], *says: str, remarks: tuple[str, ...] = ()) -> Expected:
    some = points if isinstance(points, set) else {points}
    return Expected(SCORED, frozenset(some), says, remarks)


def refused(*says: str, remarks: tuple[str, ...] = ()) -> Expected:
    return Expected(NOT_GRADABLE, frozenset({0.0}), says, remarks)


HIDDEN = "hidden tests did not all pass"
TIME = "timed out after"
WRONG = scored(0, HIDDEN)
MISSING = "sum/answer.c is missing"

SUM: dict[str, Expected] = {
    "right": scored(ALL_SUM),
    "right-but-noisy": scored(ALL_SUM),
    "right-but-slow": scored(ALL_SUM),
    "right-in-old-style": scored(ALL_SUM),
    "right-on-one-line": scored(ALL_SUM),
    "right-with-odd-tokens": scored(ALL_SUM),
    "right-with-crlf": scored(ALL_SUM),
    "right-zipped": scored(ALL_SUM),
    "largest-source": scored(ALL_SUM),
    "odd-names": scored(ALL_SUM),
    "deep-folders": scored(ALL_SUM),
    "brings-a-makefile": scored(ALL_SUM),
    "compiler-warnings-without-end": scored(ALL_SUM),
    "closes-descriptors": scored(0, TIME),
    "daemon-outlives-its-step": scored(VISIBLE_SUM, HIDDEN),
    "endless-output": WRONG,
    "exits-early": WRONG,
    "fills-the-process-table": scored(0),
    "fork-bomb": scored(0),
    "html-in-output": WRONG,
    "huge-output": WRONG,
    "imitates-a-pass": WRONG,
    "kills-its-tester": scored(0, "SIGKILL"),
    "leaves-files-for-the-next-step": scored(VISIBLE_SUM, HIDDEN),
    "memory-flood": scored(0),
    "nested-source": WRONG,
    "reads-hidden-files": WRONG,
    "replaces-the-tester": scored(1, HIDDEN),
    "stops-its-tester": scored(0, TIME),
    "terminal-escapes": WRONG,
    "writes-into-its-tester": WRONG,
    "embeds-a-file": refused("inline assembly is disabled"),
    "error-in-html": refused("answer.c:2:2: error:"),
    "huge-object": refused("does not compile"),
    "include-recursion": refused("does not compile"),
    "includes-a-device": refused("/dev/zero"),
    "includes-etc-passwd": refused("/etc/passwd"),
    "includes-hidden-files": refused("answer.c"),
    "macro-bomb": refused("does not compile"),
    "compiler-errors-without-end": refused("does not compile"),
    "empty-source": refused("answer.c is empty"),
    "nul-bytes-in-source": scored(ALL_SUM),
    "utf-16-source": refused("does not compile"),
    "too-large-source": refused("larger than 1 MiB"),
    "answer-as-folder": refused("nothing handed in"),
    "answer-as-socket": refused(MISSING, remarks=("not a plain file",)),
    "fifo-for-a-source": refused(MISSING, remarks=("not a plain file",)),
    "link-to-a-folder": refused(MISSING, remarks=("it is a link",)),
    "link-to-another-student": refused(MISSING, remarks=("it is a link",)),
    "link-to-etc-passwd": refused(MISSING, remarks=("it is a link",)),
    "tar-of-links-and-devices": refused(
        MISSING,
        remarks=(
            "it is a link",
            "not a plain file",
        ),
    ),
    "zip-bomb": refused(MISSING, remarks=("it is larger than 32.0 MiB",)),
    "zip-bomb-nested": refused(MISSING, remarks=("work.zip",)),
    "zip-cut-short": refused(MISSING, remarks=("it is damaged",)),
    "zip-of-100000-files": refused(MISSING, remarks=("a list of files that is too long",)),
    "zip-that-escapes": scored(ALL_SUM, remarks=("its path leads out of its folder", "its path is absolute")),
    "zip-that-lies": refused(MISSING, remarks=("it cannot be read",)),
    "zip-with-a-link": scored(ALL_SUM, remarks=("link",)),
}
DIRECT: dict[str, Expected] = {
    "right": scored(ALL_DIRECT),
    "right-but-noisy": scored(ALL_DIRECT),
    "right-but-slow": scored(ALL_DIRECT),
    "changes-the-clock": scored(ALL_DIRECT),
    "exhausts-ports": scored(ALL_DIRECT),
    "inode-flood": scored(ALL_DIRECT),
    "disk-flood": scored(ALL_DIRECT),
    "segment-flood": scored(ALL_DIRECT),
    "message-flood": scored(ALL_DIRECT),
    "kills-the-ssh-server": scored(ALL_DIRECT),
    "panics-the-kernel": scored(ALL_DIRECT),
    "signals-everybody": scored(ALL_DIRECT),
    "terminal-escapes": scored(ALL_DIRECT),
    "cannot-be-killed": scored(0, TIME),
    "closes-descriptors": scored(0),
    "endless-output": scored(0, "stopped by isolab"),
    "exits-early": scored(0, "nothing was observed"),
    "fills-the-process-table": scored(0, "exit_code: got 125"),
    "fork-bomb": scored(0),
    "html-in-output": WRONG,
    "huge-output": WRONG,
    "imitates-a-pass": WRONG,
    "imitates-the-controller": scored(0, "got 6.000000001"),
    "imitates-the-runner": WRONG,
    "json-too-deep": WRONG,
    "json-with-endless-digits": WRONG,
    "memory-flood": scored(0),
    "reads-hidden-files": scored(VISIBLE_DIRECT, HIDDEN),
    "stops-itself": scored(0, TIME),
    "strange-json": WRONG,
    "embeds-a-file": refused("/etc/passwd"),
    "includes-a-device": refused("/dev/stdin"),
    "includes-etc-passwd": refused("etc/passwd"),
    "includes-hidden-files": refused("answer.c"),
}
BY_EXERCISE = {"./sum": SUM, "./direct": DIRECT}
SECRETS = (
    "987654321987", "123456787654321",  # what is expected
    "quagga", "okapi", "gnu:",  # why
    "13717421", "87640604566", "19088743", "3456768565578",  # hidden data
    "prober", "numbers.txt", "more.txt", "hidden.yaml",
)  # fmt: skip
"""What no student may read anywhere."""
