"""What the options of verbs mean, by their names, for their help."""

from __future__ import annotations

import os
from collections.abc import Iterable

from orchestrator.errors import SpecError

LAB = {"lab": "a built-in lab's name (such as separation), or the path of a lab's folder or file"}
FORMAT = {"format": "text (default) or json"}
RUN_FOLDER = {"run": "folder of a run, or `last` for the latest one"}
NAME = "running machine: MACHINE or SESSION/MACHINE"
USER = "user on the machine: student (default), other or root"
ONLY = {"only": "machines of the lab, separated by commas (default: all)"}
CLUSTER = {
    "cluster": "hosts file: on the hosts of that cluster (default: $ISOLAB_CLUSTER, else on this host)"
}
PIN = {"pin": "with --cluster: MACHINE=HOST or MACHINE=TAG, to bind a machine; may be repeated"}
CLUSTER_VERBS = {
    "action": "up, status, drain or down",
    "hosts": "hosts file, or its folder (default: $ISOLAB_CLUSTER)",
    "host": "with drain: the host that is to take no new jobs",
    "cold": "with up: make no images and templates beforehand",
    "undo": "with drain: let the host take jobs again",
}

GRADE = {
    "submissions": "folder or archive of what a class handed in",
    "exercise": "exercises to grade, separated by commas, with * and ? (default: all for students)",
    "roster": "CSV file of the class: id, name, email, group",
    "layout": "form of the submissions, if it is not recognised: folders, moodle, canvas …",
    "out": "folder for grades (default: grades/LAB)",
    "again": "grade all anew, and say who rose, fell and stayed, and why",
    "repeat": "grade everything this many times, and say what was not the same",
    "policy": "YAML file on late work and attempts; applied to what is exported",
    "moodle": "grading worksheet, as downloaded from Moodle, to fill in",
    "canvas": "gradebook, as exported from Canvas, to fill in",
    "canvas-column": "title or number of the assignment's column, if several could be it",
    "similarity": "compare submissions with each other (needs the extra `similarity`)",
    "names": "names instead of pseudonyms in what is about the whole class",
    "verify": "folder of grades: check every receipt in it; or the receipt of a hand-in",
    "key": "with --verify: file of the public key, if another state folder graded",
    "student": "with --verify: grade this student's work again, and compare",
    "self-test": "grade the lab's own solutions: right ones get all points, wrong ones lose some",
}

THAW = {"thaw": "thaw frozen emulators instead of cloning; the first use makes them, ten seconds each"}
RUN = {
    "exercise": "exercises or topics of the lab, separated by commas, with * and ? (default: all)",
    "out": "folder for records and reports (default: runs/<id>)",
    "cold": "boot every machine instead of cloning booted templates",
    **THAW,
    "driver": "driver for the lab's virtual machines: qemu, libvirt or virtualbox",
    "work": "a student's folder: run its files in place of the reference solutions",
    "timeout": "time limit of a program on a native machine, in place of the exercises' own: 20s, 5min",
}

TRY = {
    **THAW,
    "path": "a C or C++ file, or a folder with a Makefile",
    "args": "arguments of the program; after -- they may begin with a dash",
    "on": "all (default), or machines separated by commas: process, sandbox, container, vm, s390x …",
    "stdin": "file to use as the program's standard input",
    "build": "build command, such as 'cmake -B build && make -C build', run for each architecture",
    "program": "which program to run, if the build makes several: its name or its path in the folder",
    "libc": "C library that programs are linked with: musl (default), glibc, or both, one after the other",
    "warnings": "show the compiler's warnings even if all answers are the same",
    "timeout": "time limit on a native machine (default: 10s)",
}

CLASS = {
    "action": "plan, up, status, handout, run, push, collect, message, extend, reset, down or serve",
    "path": "the class's folder, or its class.yaml",
    "further": "what the action works on: files to push, a text, a command after --, more time",
    "student": "only these students, by their ids, separated by commas",
    "group": "only these groups, separated by commas",
    "watch": "with status: keep showing it, until Ctrl-C",
    "prune": "with up: take down what belongs to students who have left the roster",
    "out": "with handout or collect: folder to write to (default: in the class's folder)",
    "cluster": "hosts file: over the hosts of that cluster, where class.yaml names none (`hosts`)",
}

BENCH = {
    "what": "grade, class or cluster, to measure these instead (default: starts, memory, overhead, commands)",
    "rounds": "how many times each start is measured (default and minimum: 5)",
    "crowd": "how many clones at once, and students in a class (default: 30)",
    "no-stock": "skip the stock distribution, which needs root and minutes to build",
    "submissions": "with grade: how many (default: 200)",
    "cluster": "with cluster: the hosts file; nobody else should use these hosts meanwhile",
    "faults": "with cluster: how many processes are killed or stopped while it works (default: 200)",
    "seed": "with cluster: the number of the first fault; the same numbers are the same faults (default: 1)",
    "out": "file to write the results to, as JSON",
}

TEST = {
    "ci": "also run the tests on real machines that guard behaviour (about 25 minutes)",
    "all": "run every test",
    "args": "further arguments for pytest, as one string",
}

GC = {
    "forget": "give up what was left on remote machines that no longer respond",
    "foreign": "remove what a state folder that is gone left behind, by the token `isolab gc` names",
}

IMAGES = {
    "action": "build, list, verify, prune or export",
    "arch": "architectures, separated by commas (default: all; export: one, by default the host's)",
    "format": "text (default) or json; export: ova, vmdk, vdi, qcow2 or raw",
    "image": "images, separated by commas (default: all; build: those without a disk)",
    "out": "export: file to write",
    "authorized-key": "export: file with the public key that may log in to the machine",
    "name": "export: host name of the machine (default: isolab-IMAGE)",
    "names": "images, as with --image",
}

NEW = {
    "folder": "folder to create (may exist if empty)",
    "class": "start a class instead: a class file and a roster",
    "hosts": "start a cluster instead: a file that lists hosts",
}

SCHEMA = {
    "kind": "lab (default), exercise, hidden (a student exercise's hidden tests), class, "
    "policy (of grades), image (a recipe) or hosts (of a cluster)",
}


def names_in(words: Iterable[str] | None) -> tuple[str, ...]:
    """Return the names in words that may each hold several, separated by commas."""
    return tuple(name.strip() for word in words or () for name in word.split(",") if name.strip())


def wanted_cluster(option: str) -> str:
    """Return the hosts file that ``--cluster`` names, or the environment; "" for this host alone."""
    return option or os.environ.get("ISOLAB_CLUSTER", "")


def require_thawing(wanted: bool, *, work: str = "", cold: bool = False, cluster: str = "") -> None:
    """Check that ``--thaw`` may be used with the other options. Raises SpecError."""
    if not wanted:
        return
    if work:
        raise SpecError(
            "--thaw and --work are mutually exclusive",
            hint="thawed emulators are laid out alike, so what students wrote runs in clones",
        )
    if cold:
        raise SpecError("--thaw and --cold are mutually exclusive", hint="choose one")
    if cluster:
        raise SpecError(
            "machines on a cluster's hosts are not thawed", hint="leave --thaw out: they are cloned"
        )
