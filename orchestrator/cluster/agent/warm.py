"""Make on this host what machines start from, before the first unit comes: images and templates."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, SpecError
from orchestrator.host import cache
from orchestrator.host.tempdirs import working_folder
from orchestrator.labfile.load import LoadedLab
from orchestrator.labfile.models import Lab
from orchestrator.labfile.plan import Job
from orchestrator.labfile.plan import jobs as plan_jobs
from orchestrator.machines.journal import Journal
from orchestrator.machines.provision import LabContext, lab_context, make_ready, template_key
from orchestrator.paths import ROOT
from orchestrator.results.store import new_run_id

WARMING = "warm"
"""Purpose of the working folders."""
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class _Words:
    """Progress that goes to whoever asked: what is done, and what must be known."""

    news: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        self.news.put(f"{who}: {what}")

    def done(self, who: str, what: str = "") -> None:
        if what:
            self.news.put(f"{who}: {what}")

    def tell(self, text: str) -> None:
        self.news.put(text)


def machines_of(images: Sequence[Sequence[str]]) -> LoadedLab:
    """Return a lab that has a guest for each of these images and architectures, with their usual memory.
    Raises SpecError for what is none."""
    try:
        pairs = [(str(image), str(arch)) for image, arch in images]
        wanted = {
            f"{image}-{arch}": {"driver": "qemu", "image": image, "arch": arch} for image, arch in pairs
        }
        spec = Lab.model_validate({"lab": "warm", "machines": wanted, "exercises": ["warm/none"]})
    except (ValueError, TypeError) as problem:
        raise SpecError(f"images are named by image and architecture: {problem}") from None
    return LoadedLab(spec, ROOT / "lab.yaml", ())


def warm(
    lab: LoadedLab, names: Sequence[str], wanted: threading.Event, *, make: bool = True
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Make images and templates of these machines of a lab (empty: all), and yield what is done and what
    cannot be made in words. Ends early when ``wanted`` is cleared.

    Returns {"templates": {key: seconds that its machine takes to come up; 0: not made}}. Without ``make``
    templates are only named.
    """
    words, cancellation = _Words(), Cancellation()
    found: dict[str, float] = {}
    failures: list[LabError] = []

    def work() -> None:
        try:
            found.update(_warm(lab, names, words, cancellation, make=make))
        except LabError as problem:
            failures.append(problem)

    thread = threading.Thread(target=work, name="warm", daemon=True)
    thread.start()
    with closing(_until(thread, words, wanted)) as said:
        yield from said
    cancellation.cancel()
    thread.join()
    if failures and not isinstance(failures[0], Interrupted):
        raise failures[0]
    return {"templates": found}


def _until(
    thread: threading.Thread, words: _Words, wanted: threading.Event
) -> Generator[dict[str, Any], None, None]:
    while wanted.is_set():
        try:
            yield {"word": words.news.get(timeout=LOOK_SECONDS if thread.is_alive() else 0.0)}
        except queue.Empty:
            if not thread.is_alive() and words.news.empty():
                return


def _warm(
    lab: LoadedLab, names: Sequence[str], words: _Words, cancellation: Cancellation, *, make: bool
) -> dict[str, float]:
    found: dict[str, float] = {}
    with (
        working_folder(WARMING) as logs,
        lab_context(lab, names, logs, Journal(), words, cold=False) as context,
    ):
        for job in plan_jobs(lab, new_run_id(), machines=names):
            cancellation.check()
            try:
                found.update(_one(job, context, make=make))
            except Interrupted:
                raise
            except LabError as problem:
                words.tell(f"{job.machine} cannot be prepared: {problem.message.splitlines()[0]}")
    return found


def _one(job: Job, context: LabContext, *, make: bool) -> dict[str, float]:
    if not make:
        name = template_key(job, context)
        there = bool(name) and (cache.place("templates", name) / cache.META).exists()
        return {name: _seconds(cache.meta(cache.place("templates", name))) if there else 0.0} if name else {}
    template = make_ready(job, context).template
    context.progress.done(job.machine, "ready")
    return {template.folder.name: template.clone_seconds} if template else {}


def _seconds(about: dict[str, Any]) -> float:
    return float(about.get("clone_seconds", 0.0))
