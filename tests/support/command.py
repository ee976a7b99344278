"""The command as people run it: a process of its own, its answer, and signals to it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess  # noqa: TID251 - a run that is to be killed must be a child of ours
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from habitat import Home
from places import LABS

from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.paths import ROOT

# A test run in the background of a shell hands down an ignored SIGINT, nohup(1) an ignored SIGHUP.
_START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
_START += "signal.signal(signal.SIGHUP, signal.SIG_DFL); "
ISOLAB = (sys.executable, "-c", _START + "from orchestrator.cli.main import main; main()")


@dataclass(frozen=True)
class Answer:
    """How the command ended and what it said."""

    code: int
    stdout: str
    stderr: str


def environment(home: Home, **more: str) -> dict[str, str]:
    """What a run in this home finds in its environment."""
    own = {**home.variables, "TMPDIR": str(home.root), "PYTHONPATH": str(ROOT)}
    return {**os.environ, **own, **more}


def isolab(
    home: Home,
    *words: str | Path,
    env: Mapping[str, str] | None = None,
    prefix: tuple[str, ...] = (),
    seconds: float = 300.0,
) -> Answer:
    """Run the command to its end; ``prefix`` is what starts it, as another user for example."""
    done = process.run(
        [*prefix, *ISOLAB, *words],
        deadline=Deadline.after(seconds),
        env=environment(home) if env is None else env,
        cwd=home.root,
        check=False,
    )
    return Answer(done.code, done.stdout.decode(), done.stderr.decode())


def run_lab(home: Home, lab: str, *words: str, env: Mapping[str, str] | None = None) -> Answer:
    """``isolab run`` of one of the tests' labs, into the home's ``out``."""
    return isolab(home, "run", LABS / lab, "--out", home.out, *words, env=env)


@dataclass(frozen=True)
class Started:
    """A command that is still running."""

    child: subprocess.Popen[bytes]
    home: Home
    log: Path

    def send(self, number: signal.Signals) -> None:
        self.child.send_signal(number)

    def wait(self, seconds: float = 120.0) -> int:
        """Its exit status; negative for a signal."""
        return self.child.wait(seconds)

    @property
    def said(self) -> str:
        return self.log.read_text()


@contextlib.contextmanager
def started(home: Home, *words: str | Path, env: Mapping[str, str] | None = None) -> Iterator[Started]:
    """The command in the background; killed in the end if it is still there."""
    log = home.root / "said.txt"
    with log.open("wb") as file:
        child = subprocess.Popen(
            [*ISOLAB, *map(str, words)],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            env=environment(home) if env is None else dict(env),
            cwd=home.root,
            start_new_session=True,
        )
    try:
        yield Started(child, home, log)
    finally:
        child.kill()
        child.wait()


def records(home: Home) -> list[dict[str, Any]]:
    """What is in ``records.jsonl`` so far, whole lines only."""
    path = home.out / "records.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def statuses(home: Home) -> dict[tuple[str, str], str]:
    """Machine and exercise -> status."""
    return {(r["machine"], r["exercise"]): r["status"] for r in records(home)}
