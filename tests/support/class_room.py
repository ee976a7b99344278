"""A class whose machines are up, behind a gateway, and what its students have at home."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from habitat import Home, fresh_home
from ports import free_port
from sshd_files import make_key

from orchestrator.classes import gateway
from orchestrator.classes.gateway.added_keys import AddedKeys
from orchestrator.classes.gateway.allow import allow
from orchestrator.classes.gateway.folder import folder_of
from orchestrator.classes.gateway.keys import host_key, student_keys
from orchestrator.classes.gateway.standing import class_machines, standing
from orchestrator.classes.load import load_class
from orchestrator.classes.model import SHARED, LoadedClass
from orchestrator.deadline import Deadline
from orchestrator.host import process
from orchestrator.host.process import Finished
from orchestrator.labfile.load import LoadedLab
from orchestrator.progress import SilentProgress
from orchestrator.run.run import Selection
from orchestrator.sessions.lifecycle import bring_up, take_down
from orchestrator.sessions.lookup import SessionMachine

SILENT = SilentProgress()


@dataclass(frozen=True)
class Room:
    """A class of two, whose machines are up, and what its students have at home."""

    home: Home
    found: LoadedClass

    @property
    def port(self) -> int:
        return gateway.endpoint(self.found).port

    def key(self, who: str) -> Path:
        return Path(self.home.root, f"key-{who}")

    def options(self, who: str) -> list[str]:
        known = f"UserKnownHostsFile={self.home.root}/known_hosts"
        words = ["-F", "none", "-i", str(self.key(who)), "-o", "IdentitiesOnly=yes", "-o", known]
        return [*words, "-o", f"Port={self.port}"]

    def ssh(
        self, who: str, *words: str, login: str = "lab", more: Sequence[str] = (), stdin: bytes = b""
    ) -> Finished:
        """What a student's ssh does with these words after the server's name."""
        argv = ["ssh", *self.options(who), *more, "-o", "LogLevel=ERROR", f"{login}@127.0.0.1", *words]
        env = {"PATH": os.environ["PATH"], "TERM": "xterm"}
        return process.run(argv, deadline=Deadline.after(60), stdin=stdin, check=False, env=env)

    def to_port(self, who: str, target: str) -> Finished:
        """What comes back from a connection that the gateway is asked to forward, and why not."""
        return self.ssh(who, more=["-W", target, "-o", "LogLevel=INFO"])

    def machine(self, seat: str) -> SessionMachine:
        session = self.found.session(seat)
        return next(one for one in class_machines(self.found) if one.session == session)

    def forwarded(self, seat: str) -> int:
        places = standing(self.found, folder_of(self.found))
        return next(place.port for place in places if place.seat == seat)

    def raise_machine(self, lab: LoadedLab, seat: str) -> None:
        raised = bring_up(lab, self.found.session(seat), Selection(), SILENT)
        assert not raised.failures
        allow(self.machine(seat), student_keys(self.found, seat))


@contextlib.contextmanager
def room_of(text: str, students: Sequence[str]) -> Iterator[Room]:
    """A class of these students for a ``with`` block; ``text`` are lines of its file, about machines. There
    is a key of a stranger too."""
    with fresh_home() as home, pytest.MonkeyPatch.context() as patch:
        for name, value in home.variables.items():
            patch.setenv(name, value)
        folder = home.root / "class"
        folder.mkdir()
        listen = f'access: {{listen: "127.0.0.1:{free_port()}"}}\n'
        (folder / "class.yaml").write_text(f"class: mini\n{text}{listen}")
        (folder / "roster.csv").write_text("".join(f"{line}\n" for line in ("id", *students)))
        place = Room(home, load_class(folder))
        make_key(place.key("stranger"))
        for who in students:
            public = make_key(place.key(who)).with_suffix(".pub")
            AddedKeys(place.found).add(who, public.read_text())
        try:
            _furnish(place)
            yield place
        finally:
            gateway.stop(place.found)
            assert take_down(class_machines(place.found), SILENT) == []


def _furnish(place: Room) -> None:
    for seat in place.found.seats:
        place.raise_machine(place.found.machines, seat.name)
    if place.found.shared is not None:
        place.raise_machine(place.found.shared, SHARED)
    gateway.start(place.found)
    known = f"[127.0.0.1]:{place.port} {host_key(place.found)}\n"
    (place.home.root / "known_hosts").write_text(known)


def text(done: Finished) -> str:
    """What a program printed."""
    return done.stdout.decode(errors="replace")


def words(done: Finished) -> str:
    """What it complained of."""
    return done.stderr.decode(errors="replace")
