"""The model of ``class.yaml``: who is in the class, what each has, and until when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from orchestrator.classes.listen import checked_host, checked_listen
from orchestrator.driver_traits import TRAITS
from orchestrator.gradebook.policy import Moment, Policy
from orchestrator.labfile.models import MachineName, Network
from orchestrator.labfile.models.base import NAME_PATTERN, Spec
from orchestrator.labfile.models.lab import Machine
from orchestrator.labfile.schema import for_editors, with_arch_lists
from orchestrator.units import Duration, Size

DRIVER = "qemu"
"""The driver of a class's machines: it alone has home folders that outlive a machine."""


def _path(text: str) -> str:
    if "\0" in text:
        raise ValueError("expected the path of a file")
    return text


FilePath = Annotated[str, Field(min_length=1), AfterValidator(_path)]
Listen = Annotated[str, AfterValidator(checked_listen)]
HostName = Annotated[str, AfterValidator(checked_host)]


class ClassLab(Spec):
    """One lab of the class, and when it is worked on."""

    lab: FilePath
    """A built-in lab by name, or the folder of one beside the class file."""
    from_: Annotated[Moment | None, Field(alias="from")] = None
    """From when students see it. By default at once."""
    due: Moment | None = None
    """When the work is due: nothing is handed in on time after it."""


class Quota(Spec):
    """What each student's or group's machines may use."""

    memory: Size | None = None
    """Memory of a machine that does not say it itself, such as 512MiB, and the most that one may say."""
    cpus: Annotated[int, Field(ge=1, le=64)] | None = None
    """Processors, likewise."""
    processes: Annotated[int, Field(ge=32, le=32768)] | None = None
    """Most processes of students in each machine."""
    disk: Size = 2**30
    """Size of the home folder on each machine, such as 2GiB. Only what is written takes space."""
    network: Literal["off", "lab", "internet"] = "lab"
    """What machines reach: nothing, the private networks of one student's machines, or the Internet too."""


class Access(Spec):
    """Where students come in."""

    listen: Listen = "0.0.0.0:2222"
    """Address and port of the SSH gateway."""
    web: Listen | None = None
    """Address and port of the web server, such as 0.0.0.0:8443. By default there is none."""
    host: HostName | None = None
    """The name students type for this server. By default this host's own."""
    certificate: FilePath | None = None
    """The web server's certificate and those above it, as PEM. By default one is made."""
    key: FilePath | None = None
    """The certificate's private key."""


class ClassPolicy(Policy):
    """How late work and several attempts count, in all labs: each has its own due date."""

    @model_validator(mode="after")
    def _has_due_date(self) -> Self:
        return self  # ``check_times`` looks for the labs'


class Collect(Spec):
    """When students' home folders are copied to the class's folder; always before machines are taken down."""

    every: Duration | None = None
    """How often, such as 15min, while the class's service runs."""


class ClassSpec(Spec):
    """A class file. Paths in it are relative to its folder."""

    class_: Annotated[str, Field(alias="class", pattern=NAME_PATTERN)]
    """Name of the class."""
    title: str = ""
    """One line for people."""
    roster: FilePath = "roster.csv"
    """CSV file of the students: id, name, email, group, ssh_key, github."""
    labs: list[ClassLab] = []
    """The labs students work on, in this order."""
    machines: Annotated[dict[MachineName, Machine], Field(min_length=1)]
    """The machines that each student or group gets, by name; the first is where they land."""
    networks: dict[MachineName, Network] = {}
    """Private networks between the machines of one student or group."""
    per: Literal["student", "group"] = "student"
    """Whether each student has machines, or each group."""
    shared: dict[MachineName, Machine] = {}
    """Machines that are there once, for everybody to log in to."""
    quota: Quota = Quota()
    """What each machine may use."""
    access: Access = Access()
    """Where students come in."""
    collect: Collect = Collect()
    """When home folders are copied."""
    lifetime: Duration | None = None
    """How long machines stay up, such as 4h: then students are warned, their work is collected, and the
    machines are taken down."""
    ends: Moment | None = None
    """When the class ends: as with a lifetime."""
    exam: bool = False
    """An examination: no network, a fixed end, and home folders are destroyed once they are collected."""
    hosts: FilePath | None = None
    """Hosts file of the cluster that the machines are spread over. By default all are on this host."""
    policy: ClassPolicy = ClassPolicy()
    """How late work and several attempts count; applied when grades are exported."""
    contact: str = ""
    """Whom students ask, such as a name and an email address; printed in handouts."""

    @property
    def end(self) -> datetime | None:
        """When the class is over: at ``ends``; without it, an examination when its last lab is due."""
        due = [one.due for one in self.labs if one.due]
        return self.ends or (max(due) if self.exam and due else None)


def class_schema() -> dict[str, Any]:
    """JSON Schema of class files."""
    result = for_editors(ClassSpec.model_json_schema(by_alias=True))
    with_arch_lists(result, "Machine")
    models = result["$defs"]
    machine = models["Machine"]["properties"]
    machine["driver"]["enum"] = [DRIVER]
    for key in {key for traits in TRAITS.values() for key in traits.own_keys} - TRAITS[DRIVER].own_keys:
        del machine[key]
    del models["ClassPolicy"]["properties"]["due"]  # each lab has its own
    for key in ("quota", "access", "collect", "policy"):
        result["properties"][key].pop("default")
    return result
