"""The machines of a class file, complete as a lab's are, and the lab that a seat's machines come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from orchestrator.classes.spec import ClassSpec, Quota
from orchestrator.errors import Problem
from orchestrator.labfile.image_catalog import least_memory
from orchestrator.labfile.image_recipe import Recipe
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.machine_section import machine_problems, with_defaults
from orchestrator.labfile.messages import ValidatedDocument
from orchestrator.labfile.models import Lab, Machine, Network
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as Place

OWN, SHARED = "machines", "shared"
"""The sections with machines: of each seat, and those for everybody."""
INTERNET = "internet"
"""The network by which machines reach the Internet that are on no network of the class file."""


@dataclass(frozen=True)
class Images:
    """What machines can be made of, and for which host. ``known`` are the project's images and the class's
    own together, ``own`` the latter; ``host`` is an architecture by Debian's name."""

    known: Mapping[str, Recipe]
    host: str
    own: Mapping[str, Recipe] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def least(self) -> dict[str, int]:
        """The least memory each image needs, in bytes."""
        return least_memory(self.known)


@dataclass(frozen=True)
class Sections:
    """The class file with complete machines (``whole``), and each section as a lab file would have it."""

    whole: ValidatedDocument
    views: Mapping[str, ValidatedDocument]

    def written(self, section: str, name: str) -> Place:
        """Return where the file has the machine that is called so once its architecture is known."""
        return self.whole.origin((section, name))

    def says(self, section: str, name: str, key: str) -> bool:
        """Whether the file itself sets this key of a machine."""
        return (*self.written(section, name), key) in self.whole.document.places


def sections(document: Document, images: Images) -> Sections:
    """Return the class file with what its machines do not say filled in, as labs have it."""
    views = {one: with_defaults(_view(document, one), images.host, images.least) for one in (OWN, SHARED)}
    data = document.data
    if isinstance(data, dict):
        complete = {one: view.data[OWN] for one, view in views.items() if isinstance(data.get(one), dict)}
        data = {**data, **complete}

    def origin(path: Place) -> Place:
        if not path or path[0] not in views:
            return path
        return (path[0], *views[str(path[0])].origin((OWN, *path[1:]))[1:])

    return Sections(ValidatedDocument(document, data, origin), views)


def machine_problems_of(found: Sections, images: Images) -> Iterator[Problem]:
    """Report what labs report of their machines."""
    for view in found.views.values():
        yield from machine_problems(view, images.least, images.own, images.host)


def _view(document: Document, section: str) -> Document:
    """The document as if ``section`` were the machines of a lab; networks are for those of a seat."""
    kept = {section: OWN} if section == SHARED else {section: OWN, "networks": "networks"}
    data = document.data if isinstance(document.data, dict) else {}
    places = {
        (kept[str(path[0])], *path[1:]) if path else (): place
        for path, place in document.places.items()
        if not path or path[0] in kept
    }
    return replace(
        document, data={kept[key]: data[key] for key in kept if key in data}, places=MappingProxyType(places)
    )


def machines_of_a_seat(spec: ClassSpec, file: Path, found: Sections, images: Images) -> LoadedLab:
    """Return a lab with nothing to run whose machines are those of one seat, the quota applied."""
    machines = {name: _within(machine, spec.quota, name, found) for name, machine in spec.machines.items()}
    networks = dict(spec.networks)
    if spec.quota.network == "internet":
        networks = {name: one.model_copy(update={"internet": True}) for name, one in networks.items()}
        alone = [name for name, machine in machines.items() if not machine.networks]
        if alone:
            networks[INTERNET] = Network(internet=True)
        for name in alone:
            machines[name] = machines[name].model_copy(update={"networks": {INTERNET: None}})
    return _lab(spec, machines, networks, file, images)


def _within(machine: Machine, quota: Quota, name: str, found: Sections) -> Machine:
    """The machine with the quota's memory and processors, where it does not say them itself."""
    changed: dict[str, int | None] = {"pids": quota.processes or machine.pids}
    for key, most in (("memory", quota.memory), ("cpus", quota.cpus)):
        if most and not found.says(OWN, name, key):
            changed[key] = most
    return machine.model_copy(update=changed)


def shared_machines(spec: ClassSpec, file: Path, images: Images) -> LoadedLab | None:
    """Return a lab likewise with the machines for everybody, None without any."""
    return _lab(spec, spec.shared, {}, file, images) if spec.shared else None


def _lab(
    spec: ClassSpec,
    machines: Mapping[str, Machine],
    networks: Mapping[str, Network],
    file: Path,
    images: Images,
) -> LoadedLab:
    lab = Lab.model_construct(
        lab=spec.class_, title=spec.title, machines=dict(machines), networks=dict(networks), exercises=[]
    )
    return LoadedLab(lab, file, (), images.own)
