"""Load a class: its file, its roster and its labs, reporting every mistake at once."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from orchestrator.classes.classfile.check_access import access_problems, host_problems
from orchestrator.classes.classfile.check_machines import (
    driver_problems,
    name_problems,
    quota_problems,
    reach_problems,
)
from orchestrator.classes.classfile.check_times import (
    extension_problems,
    over_problems,
    policy_problems,
    time_problems,
)
from orchestrator.classes.classfile.labs import scheduled
from orchestrator.classes.classfile.machines import (
    OWN,
    Images,
    Sections,
    machine_problems_of,
    machines_of_a_seat,
    sections,
    shared_machines,
)
from orchestrator.classes.classfile.people import people
from orchestrator.classes.classfile.sound import Sound, sound
from orchestrator.classes.model import LoadedClass
from orchestrator.classes.recognise import CLASS_FILE
from orchestrator.classes.seats import seats_of
from orchestrator.classes.spec import ClassSpec
from orchestrator.errors import Problem, SpecError
from orchestrator.labfile.check_networks import network_problems
from orchestrator.labfile.image_catalog import lab_recipes, recipes
from orchestrator.labfile.machine_section import host_name
from orchestrator.labfile.messages import problems_of, validate
from orchestrator.labfile.read_spec import read_document
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_nodes import refusal

KEPT_ROSTER = "roster.csv"
"""The roster's name beside a copy of its class file."""
_HINT = f"a class is a folder with {CLASS_FILE}"


def load_class(
    path: Path, *, starting: bool = False, host: str | None = None, kept: Path | None = None
) -> LoadedClass:
    """Load the class at ``path``: its file, or the folder that contains ``class.yaml``.

    ``starting``: its machines are to come up, so an end that has passed is a mistake. ``host`` is the
    architecture machines run on, by Debian's name, by default this host's. ``kept`` is a folder with a copy
    of the class file and the roster, to be read in their place. Raises SpecError with every mistake of the
    class file, of the roster and of the labs.
    """
    file = class_file(path)
    document = read_document(kept / CLASS_FILE if kept else file, hint=_HINT)
    problems = list(document.problems)
    images, wrong = _images(file.parent, host_name() if host is None else host)
    found = sections(document, images)
    spec = None
    try:
        spec = validate(ClassSpec, found.whole.data)
    except ValidationError as error:
        problems += problems_of(error, ClassSpec, found.whole)
    right = sound(found.whole.data, spec)
    members, more = people(document, right, kept / KEPT_ROSTER if kept else file.parent / right.spec.roster)
    labs, few = scheduled(document, right, file.parent, images)
    problems += [*wrong, *more, *few, *_contradictions(document, found, right, file.parent, images)]
    problems += extension_problems(document, right, members)
    if starting:
        problems += over_problems(document, right, datetime.now(UTC))
    if problems or spec is None:
        raise refusal(_unspoken(problems, document))
    if spec.exam:
        spec = spec.model_copy(update={"quota": spec.quota.model_copy(update={"network": "off"})})
    return LoadedClass(
        spec=spec,
        file=file,
        seats=seats_of(members, spec.per),
        labs=tuple(labs),
        machines=machines_of_a_seat(spec, file, found, images),
        shared=shared_machines(spec, file, images),
        hosts=file.parent / spec.hosts if spec.hosts else None,
        written=document.data,
    )


def class_file(path: Path) -> Path:
    """Return the class file at ``path``, which may be its folder. Raises SpecError if there is none."""
    file = path / CLASS_FILE if path.is_dir() else path
    if file.is_file():
        return file
    folder = path if path.is_dir() else path.parent
    near = sorted(found.parent for found in folder.glob(f"*/{CLASS_FILE}"))
    hint = f"classes here: {', '.join(map(str, near))}" if near else _HINT
    raise SpecError(f"no class at {path}", hint=hint)


def _images(folder: Path, host: str) -> tuple[Images, list[Problem]]:
    """The images of isolab and of the class's folder ``images/``, and what is wrong with the latter."""
    known = recipes()
    try:
        own = lab_recipes(folder)
    except SpecError as error:
        if not error.problems:
            raise
        return Images(known, host), list(error.problems)
    return Images({**known, **own}, host, own), []


def _contradictions(
    document: Document, found: Sections, right: Sound, folder: Path, images: Images
) -> list[Problem]:
    """Mistakes that no single value shows."""
    spec = right.spec
    drivers = list(driver_problems(found))
    return [
        *drivers,
        *machine_problems_of(found, images),
        *(network_problems(found.views[OWN]) if not drivers else ()),
        *name_problems(found),
        *quota_problems(found, spec, images),
        *reach_problems(found, spec),
        *access_problems(document, spec, folder),
        *host_problems(document, spec, folder, images.own),
        *time_problems(document, right),
        *policy_problems(document, right),
    ]


def _unspoken(problems: list[Problem], document: Document) -> list[Problem]:
    """The problems that do not merely follow from a syntax problem at the same place."""
    spoken = {(one.file, one.line, one.column) for one in document.problems}
    return [
        one for one in problems if one in document.problems or (one.file, one.line, one.column) not in spoken
    ]
