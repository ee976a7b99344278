"""Images in a container engine's own store: imported, or built on a recipe's base image.

Images are named by their content key, so each is made once per engine and never changes.
Sources: podman-import(1), podman-build(1), Containerfile(5), docker's equivalents.
"""

from __future__ import annotations

import shutil
import tarfile
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.container.limits import hard_limits, render_ulimits
from orchestrator.errors import ImageError
from orchestrator.host import process
from orchestrator.host.cache import locked, meta
from orchestrator.images import Image

MAKE_SECONDS = 1800.0
"""For pulling and building, which happens once and is not part of a machine's start."""


def reference(image: Image) -> str:
    """Return the engine's name for an image."""
    return f"localhost/isolab/{image.name}:{image.key.rsplit('-', 1)[-1]}"


def provide(engine: tuple[str, ...], image: Image, scratch: Path, deadline: Deadline) -> None:
    """Import an image into the engine unless it has it; ``scratch`` is a temporary folder.

    Raises ImageError with the engine's message, TimedOut, Interrupted.
    """
    name = reference(image)
    limit = deadline.cancellation.deadline(MAKE_SECONDS)
    with locked("container-image", image.key, limit):
        if _known(engine, name, limit):
            return
        if image.rootfs.exists():
            process.run([*engine, "import", image.rootfs, name], deadline=limit)
            return
        base = _base(engine, image, scratch, limit)
        file, argument = image.folder / "Containerfile", f"BASE={base}"
        build: list[str | Path] = [
            *engine,
            "build",
            "--file",
            file,
            "--build-arg",
            argument,
            "--tag",
            name,
            image.folder,
        ]
        _run(build, image, limit)
        _require_tar(engine, image, limit)


def _base(engine: tuple[str, ...], image: Image, scratch: Path, deadline: Deadline) -> str:
    """Return the engine's name of the base image, after pulling it or building it from its folder."""
    about = meta(image.folder)
    if "reference" in about:
        wanted = str(about["reference"])
        if not _known(engine, wanted, deadline):
            if wanted.startswith("sha256:"):
                raise ImageError(
                    f"image {image.name}: {engine[0]} has no image {wanted}",
                    hint="load or import it first, or use registry/name@sha256:…",
                )
            _run([*engine, "pull", "--quiet", wanted], image, deadline)
        return wanted
    name = f"{reference(image).rsplit(':', 1)[0]}-base:{image.key.rsplit('-', 1)[-1]}"
    folder = scratch / "context"
    try:
        with tarfile.open(image.folder / "context.tar") as archive:
            archive.extractall(folder, filter="data")
        network = ["--network", "none"] if about["network"] == "none" else []
        file = folder / str(about["file"])
        _run([*engine, "build", *network, "--file", file, "--tag", name, folder], image, deadline)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return name


def _require_tar(engine: tuple[str, ...], image: Image, deadline: Deadline) -> None:
    """Files are pushed as tar streams; a missing tar is reported when the image is made, not in a run."""
    probe = ["run", "--rm", "--pull", "never", "--network", "none", *render_ulimits(hard_limits())]
    probe += ["--entrypoint", "/bin/tar", reference(image), "--help"]
    done = process.run([*engine, *probe], deadline=deadline, check=False)
    if done.code < 125:
        return
    process.run([*engine, "rmi", reference(image)], deadline=deadline, check=False)
    if b"/bin/tar" in done.stderr:
        raise ImageError(
            f"image {image.name}: no working /bin/tar, which pushing files needs:\n{done.tail()}",
            hint="add tar or busybox to it with a Containerfile",
        )
    raise ImageError(f"image {image.name}: {engine[0]} cannot start a container from it:\n{done.tail()}")


def _known(engine: tuple[str, ...], name: str, deadline: Deadline) -> bool:
    return process.run([*engine, "image", "inspect", name], deadline=deadline, check=False).code == 0


def _run(argv: list[str | Path], image: Image, deadline: Deadline) -> None:
    done = process.run(argv, deadline=deadline, check=False)
    if done.code != 0:
        words = (done.stdout + done.stderr).decode(errors="replace").splitlines()[-12:]
        verb = next(word for word in argv if word in ("pull", "build"))
        raise ImageError(
            f"image {image.name}: `{argv[0]} {verb}` failed:\n" + "\n".join(words),
            hint="check the image's recipe against the engine's message above",
        )
