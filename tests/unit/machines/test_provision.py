"""What cache or scratch folder cannot take is told before anything is built, or costs only the clone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from factories import order

from orchestrator import drivers
from orchestrator.errors import Unavailable
from orchestrator.host.cache import CacheUnwritableError
from orchestrator.machines import provision as module


class Told:
    """Progress that keeps what it is told."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def tell(self, words: str) -> None:
        self.words.append(words)


def test_a_cache_that_cannot_be_written_costs_the_clone_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise CacheUnwritableError("cannot write to the cache /c")

    monkeypatch.setattr(module, "obtain", refuse)
    context: Any = SimpleNamespace(cold=False, machines=None, progress=Told())
    wanted = order("amd64")
    assert module._with_template(wanted, drivers.load("qemu"), context) == wanted
    assert context.progress.words == [f"{wanted.name}: cold boot: cannot write to the cache /c"]


@pytest.mark.parametrize(("driver", "refused"), [("qemu", True), ("process", False)])
def test_a_scratch_folder_too_deep_for_sockets_is_told_first(
    monkeypatch: pytest.MonkeyPatch, driver: str, refused: bool
) -> None:
    machine = SimpleNamespace(driver=driver, networks=(), image="micro", arch=None)
    lab = SimpleNamespace(lab=SimpleNamespace(machines={"vm": machine}))
    context: Any = SimpleNamespace(lab=lab, scratch=Path("/" + "x" * 80))
    job: Any = SimpleNamespace(machine="vm", run="20260102-030405-aaaa")
    if not refused:
        module._require_short_paths(job, context)
        return
    monkeypatch.setattr(module, "make_image", lambda *_: pytest.fail("built an image first"))
    with pytest.raises(Unavailable, match="its sockets would be too long") as caught:
        module.provision(job, context, SimpleNamespace())  # type: ignore[arg-type]
    assert "ISOLAB_SCRATCH" in caught.value.hint
