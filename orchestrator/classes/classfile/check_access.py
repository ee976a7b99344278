"""Ways in that contradict each other, and hosts that machines cannot be spread over."""

from __future__ import annotations

from collections.abc import Container, Iterator
from pathlib import Path

from orchestrator.classes.listen import collide, lowest_port, parse_listen
from orchestrator.classes.spec import ClassSpec
from orchestrator.cluster.hostfile.load import load_hosts
from orchestrator.errors import Problem, SpecError
from orchestrator.labfile.yaml_document import Document


def access_problems(document: Document, spec: ClassSpec, folder: Path) -> Iterator[Problem]:
    """Report ports that are equal, and a certificate that is not whole. ``folder`` is the class's."""
    access = spec.access
    if access.web and collide(parse_listen(access.listen), parse_listen(access.web)):
        port = parse_listen(access.web).port
        words = f"the SSH gateway listens on port {port} already"
        yield document.problem(("access", "web"), words, "choose another port")
    if (port := parse_listen(access.listen).port) < (lowest := lowest_port()):
        words = f"ports below {lowest} are for programs with rights, and the SSH gateway has none: {port}"
        yield document.problem(("access", "listen"), words, "choose a higher one, such as 2222")
    for name, other in (("certificate", "key"), ("key", "certificate")):
        given = getattr(access, name)
        if given is None:
            continue
        if getattr(access, other) is None:
            advice = "give both, or neither: then a certificate is made"
            yield document.problem(("access", name), f"{name} without `{other}`", advice)
        if access.web is None:
            words = f"{name} has no effect without `web`, the address of the web server"
            yield document.problem(("access", name), words, 'for example web: "0.0.0.0:8443"')
        if why := _unreadable(folder / given):
            yield document.problem(("access", name), f"cannot read {folder / given}: {why}")


def host_problems(
    document: Document, spec: ClassSpec, folder: Path, own_images: Container[str]
) -> Iterator[Problem]:
    """Report mistakes in the hosts file, and images of the class's own (``own_images``), which do not travel.
    ``folder`` is the class's."""
    if spec.hosts is None:
        return
    try:
        load_hosts(folder / spec.hosts)
    except SpecError as wrong:
        yield from wrong.problems or (document.problem(("hosts",), wrong.message, wrong.hint),)
    for section in ("machines", "shared"):
        for name, machine in getattr(spec, section).items():
            if machine.image in own_images:
                why = f"image {machine.image} is the class's own, which hosts do not get"
                advice = "use micro or debian, or leave `hosts` out"
                yield document.problem((section, name, "image"), why, advice)


def _unreadable(file: Path) -> str:
    """Why a file cannot be read; "" if it can."""
    try:
        with file.open("rb"):
            return ""
    except OSError as error:
        return error.strerror or "error"
