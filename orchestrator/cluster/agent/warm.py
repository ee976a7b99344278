"""Make on this host what machines start from, before the first unit comes: images and templates."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestrator.cluster.agent.cache_archive import TEMPLATES
from orchestrator.deadline import Cancellation
from orchestrator.errors import Interrupted, LabError, SpecError, from_os
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
    """Progress that goes to whoever asked: what is done, and what must be known. "" is its end."""

    news: queue.SimpleQueue[str] = field(default_factory=queue.SimpleQueue)

    def doing(self, who: str, what: str, expected: float = 0.0) -> None:
        self.news.put(f"{who}: {what}")

    def done(self, who: str, what: str = "") -> None:
        if what:
            self.news.put(f"{who}: {what}")

    def tell(self, text: str) -> None:
        if text:
            self.news.put(text)


def machines_of(images: object) -> LoadedLab:
    """Return a lab that has a guest for each of these images and architectures, with their usual memory.
    Raises SpecError for what is none."""
    try:
        pairs = [(image, arch) for image, arch in images] if isinstance(images, list) else []
        if not pairs:
            raise ValueError("there are none")
        guests = [{"driver": "qemu", "image": image, "arch": arch} for image, arch in pairs]
        wanted = {f"{guest['image']}-{guest['arch']}": guest for guest in guests}
        spec = Lab.model_validate({"lab": "warm", "machines": wanted, "exercises": ["warm/none"]})
    except (ValueError, TypeError) as problem:
        raise SpecError(f"images are named by image and architecture: {problem}") from None
    return LoadedLab(spec, ROOT / "lab.yaml", ())


def warm(
    lab: LoadedLab, names: Sequence[str], wanted: threading.Event, *, templates: bool = True
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    """Make images and templates of these machines of a lab (empty: all), and yield what is done and what
    cannot be made in words. Ends early when ``wanted`` is cleared.

    Returns {"templates": {key: seconds}}: how long each took here now. Without ``templates`` only images are
    made, and templates named: with the seconds that their boot took, or 0 for one that is not there.
    """
    work = _Work(lab, names, templates)
    thread = threading.Thread(target=work.run, name="warm", daemon=True)
    thread.start()
    try:
        yield from _until_end(work.words, wanted)
    finally:
        work.cancel()
        thread.join()
    if work.problem is not None and not isinstance(work.problem, Interrupted):
        raise work.problem
    return {"templates": work.found}


def _until_end(words: _Words, wanted: threading.Event) -> Generator[dict[str, Any], None, None]:
    while wanted.is_set():
        with contextlib.suppress(queue.Empty):
            if not (word := words.news.get(timeout=LOOK_SECONDS)):
                return
            yield {"word": word}


@dataclass
class _Work:
    """What is made for one request, in a thread of its own."""

    lab: LoadedLab
    names: Sequence[str]
    templates: bool
    words: _Words = field(default_factory=_Words)
    found: dict[str, float] = field(default_factory=dict)
    problem: LabError | None = None
    _cancellation: Cancellation = field(default_factory=Cancellation)
    _contexts: list[LabContext] = field(default_factory=list)

    def run(self) -> None:
        try:
            with (
                working_folder(WARMING) as logs,
                lab_context(self.lab, self.names, logs, Journal(), self.words, cold=False) as context,
            ):
                self._contexts.append(context)
                self._make_all(context)
        except LabError as problem:
            self.problem = problem
        except OSError as problem:
            self.problem = from_os(problem)
        finally:
            self.words.news.put("")

    def _make_all(self, context: LabContext) -> None:
        for job in plan_jobs(self.lab, new_run_id(), machines=self.names):
            self._cancellation.check()
            try:
                self.found.update(_one(job, context, templates=self.templates))
            except Interrupted:
                raise
            except LabError as problem:
                self.words.tell(f"{job.machine} cannot be prepared: {problem.first_line}")

    def cancel(self) -> None:
        """Have it end soon: what is being made is given up."""
        self._cancellation.cancel()
        for context in self._contexts:
            context.cancellation.cancel()


def _one(job: Job, context: LabContext, *, templates: bool) -> dict[str, float]:
    if not templates:
        name = template_key(job, context)
        return {name: _boot_seconds(cache.place(TEMPLATES, name))} if name else {}
    begun = time.monotonic()
    template = make_ready(job, context).template
    context.progress.done(job.machine, "ready")
    return {template.folder.name: round(time.monotonic() - begun, 3)} if template else {}


def _boot_seconds(folder: Path) -> float:
    try:
        about = cache.meta(folder)
    except (OSError, ValueError):
        return 0.0
    return 0.0 if about.get("reason") else float(about.get("boot_seconds", 0.0))
