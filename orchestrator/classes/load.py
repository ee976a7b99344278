"""Load a class: its file, its roster and its labs, reporting every mistake at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from orchestrator.classes.model import LoadedClass, Member, ScheduledLab, Seat
from orchestrator.classes.spec import ClassSpec, Quota
from orchestrator.errors import SpecError
from orchestrator.host.cache import digest
from orchestrator.labfile import yaml_document
from orchestrator.labfile.builtin import find_lab
from orchestrator.labfile.image_catalog import least_memory, recipes
from orchestrator.labfile.load import LoadedLab, load_lab
from orchestrator.labfile.messages import ValidatedDocument, problems_of, validate
from orchestrator.labfile.models import Lab, Machine
from orchestrator.labfile.models.base import NAME_PATTERN
from orchestrator.labfile.yaml_nodes import refusal
from orchestrator.paths import EXERCISES
from orchestrator.submissions.roster import read_roster

CLASS_FILE = "class.yaml"


def load_class(path: Path) -> LoadedClass:
    """Load the class at ``path``: its file, or the folder that contains ``class.yaml``. Raises SpecError with
    every mistake of the class file and the roster."""
    file = path / CLASS_FILE if path.is_dir() else path
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise SpecError(
            f"cannot read {file}: {error.strerror}", hint=f"a class is a folder with {CLASS_FILE}"
        ) from None
    document = yaml_document.survey(yaml_document.decode(raw, str(file)), str(file))
    try:
        spec = validate(ClassSpec, document.data)
    except ValidationError as error:
        found = problems_of(error, ClassSpec, ValidatedDocument(document, document.data))
        raise refusal([*document.problems, *found]) from None
    roster = read_roster(file.parent / spec.roster)
    members = [Member(student, (), roster.github.get(student.id, "")) for student in roster.students]
    labs = []
    known = recipes()
    for one in spec.labs:
        inside = file.parent / one.lab
        where = inside if inside.exists() else find_lab(one.lab)
        labs.append(ScheduledLab(one, load_lab(where, EXERCISES, images=least_memory(known), contents=known)))
    machines = {name: _within(machine, spec.quota) for name, machine in spec.machines.items()}
    return LoadedClass(
        spec=spec,
        file=file,
        seats=_seats(members, spec.per),
        labs=tuple(labs),
        machines=_lab_of(spec, machines, file),
        shared=_lab_of(spec, spec.shared, file) if spec.shared else None,
    )


def _lab_of(spec: ClassSpec, machines: dict[str, Machine], file: Path) -> LoadedLab:
    lab = Lab.model_construct(
        lab=spec.class_, title=spec.title, machines=machines, networks=spec.networks, exercises=[]
    )
    return LoadedLab(lab=lab, path=file, exercises=())


def _within(machine: Machine, quota: Quota) -> Machine:
    changed = {
        "memory": quota.memory or machine.memory,
        "cpus": quota.cpus or machine.cpus,
        "pids": quota.processes or machine.pids,
    }
    return machine.model_copy(update=changed)


def _seats(members: Sequence[Member], per: str) -> tuple[Seat, ...]:
    """Return the seats in the roster's order; in a class by groups, who has none is a group of one."""
    groups: dict[str, list[Member]] = {}
    for member in members:
        label = (member.student.group if per == "group" else "") or member.student.id
        groups.setdefault(label, []).append(member)
    return tuple(Seat(_safe(label), label, tuple(found)) for label, found in groups.items())


def _safe(label: str) -> str:
    """Return a name for this id or group that is safe anywhere: itself, or made from it with a digest."""
    if re.fullmatch(NAME_PATTERN.strip("^$"), label) and label != "shared":
        return label
    plain = re.sub("[^a-z0-9]+", "-", label.lower()).strip("-")[:24]
    return f"{plain if plain[:1].isalpha() else f's-{plain}'.rstrip('-')}-{digest(label)[:6]}"
