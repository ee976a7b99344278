"""Snapshots: how a file gets into QEMU's hands in each of its versions, and what a failed clone says."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from factories import order

from orchestrator.deadline import Deadline
from orchestrator.drivers.model import Order, Template
from orchestrator.drivers.qemu import driver, emulator, snapshot
from orchestrator.drivers.qemu.driver import DRIVER
from orchestrator.drivers.qemu.qmp import monitor
from orchestrator.errors import BootError
from orchestrator.progress import SilentProgress


class Emulator:
    """The monitor of a QEMU of some version, which completes every migration, and writes to the file
    it was passed."""

    def __init__(self, sock: socket.socket, version: tuple[int, int], status: dict[str, str]) -> None:
        self._sock, self._version, self._status = sock, version, status
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.passed: list[str] = []

    def serve(self) -> None:
        about = {"qemu": {"major": self._version[0], "minor": self._version[1], "micro": 0}}
        connection, _ = self._sock.accept()
        with connection:
            connection.sendall(json.dumps({"QMP": {"version": about}}).encode() + b"\n")
            while True:
                data, descriptors, _, _ = socket.recv_fds(connection, 65536, 1)
                if not data:
                    return
                for descriptor in descriptors:
                    self.passed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
                    os.close(descriptor)
                connection.sendall(json.dumps({"return": self._answer(json.loads(data))}).encode() + b"\n")

    def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        self.asked.append((question["execute"], question["arguments"]))
        answers: dict[str, dict[str, Any]] = {
            "add-fd": {"fdset-id": 3, "fd": 17},
            "query-migrate": self._status,
        }
        return answers.get(question["execute"], {})


@contextmanager
def emulated(
    path: Path, version: tuple[int, int], status: dict[str, str] | None = None
) -> Iterator[Emulator]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.bind(str(path))
        sock.listen()
        served = Emulator(sock, version, status or {"status": "completed"})
        thread = threading.Thread(target=served.serve)
        thread.start()
        try:
            yield served
        finally:
            thread.join()


@pytest.mark.parametrize(
    ("version", "uri"),
    [
        ((7, 2), "fd:state"),
        ((8, 1), "fd:state"),
        ((8, 2), "file:/dev/fdset/3"),
        ((10, 0), "file:/dev/fdset/3"),
        ((11, 1), "file:/dev/fdset/3"),
    ],
)
def test_the_state_is_saved_into_an_open_file_as_this_version_takes_it(
    tmp_path: Path, version: tuple[int, int], uri: str
) -> None:
    state, soon = tmp_path / "state", Deadline.after(20)
    with emulated(tmp_path / "qmp", version) as qemu, monitor(tmp_path / "qmp", soon) as qmp:
        snapshot.save(qmp, state, soon)
    assert ("migrate", {"uri": uri}) in qemu.asked
    assert qemu.passed == [str(state)]
    assert state.exists()


@pytest.mark.parametrize(("version", "uri"), [((7, 2), "fd:state"), ((11, 1), "file:/dev/fdset/3")])
def test_a_clone_loads_it_from_an_open_file_as_this_version_takes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], uri: str
) -> None:
    template = Template(tmp_path)
    template.state.write_bytes(b"state")
    wanted = replace(order(), scratch=tmp_path, logs=tmp_path, template=template)
    monkeypatch.setattr(emulator, "start", lambda *_: None)
    with emulated(tmp_path / "qmp.sock", version) as qemu:
        snapshot.restore(template, wanted, DRIVER.prepare(wanted), Deadline.after(20), lambda _: None)
    assert qemu.asked[-1] == ("migrate-incoming", {"uri": uri})
    assert qemu.passed == [str(template.state)]


def test_qemus_reason_for_not_saving_is_told(tmp_path: Path) -> None:
    failed, soon = {"status": "failed", "error-desc": "No space left on device"}, Deadline.after(20)
    with (
        emulated(tmp_path / "qmp", (11, 1), failed),
        monitor(tmp_path / "qmp", soon) as qmp,
        pytest.raises(BootError, match="cannot save the machine's state: No space left on device"),
    ):
        snapshot.save(qmp, tmp_path / "state", soon)


class TestAClone:
    def up(self, wanted: Order, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
        """Bring it up where no clone starts; return whether each start was that of a clone."""
        starts: list[bool] = []

        def bring_up(tried: Order, *_: object) -> None:
            starts.append(tried.template is not None)
            if tried.template:
                raise BootError("QEMU rejected migrate-incoming: not like this")

        monkeypatch.setattr(driver, "bring_up", bring_up)
        DRIVER.up(wanted, DRIVER.prepare(wanted), Deadline.after(20), SilentProgress())
        return starts

    def test_boots_instead_when_the_template_was_good_once(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = replace(order(), scratch=tmp_path, template=Template(tmp_path))
        assert self.up(wanted, monkeypatch) == [True, False]

    def test_of_a_template_on_trial_fails_with_its_own_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wanted = replace(order(), scratch=tmp_path, template=Template(tmp_path, on_trial=True))
        with pytest.raises(BootError, match="not like this"):
            self.up(wanted, monkeypatch)


class TestTheWordsOfAQemuThatExited:
    def fail(self, folder: Path, words: str, problem: Exception) -> str:
        wanted = replace(order(), scratch=folder / "s", logs=folder)
        (folder / "qemu.log").write_text(words)
        with pytest.raises(BootError) as caught, emulator.explained(wanted, DRIVER.prepare(wanted)):
            raise problem
        return caught.value.message

    def test_follow_the_error(self, tmp_path: Path) -> None:
        words = (
            "/usr/bin/qemu-system-s390x: warning: old\n/usr/bin/qemu-system-s390x: load of migration failed\n"
        )
        message = self.fail(tmp_path, words, BootError("QEMU closed its monitor\nthe console said nothing"))
        assert message == (
            "QEMU closed its monitor (qemu-system-s390x: load of migration failed)\nthe console said nothing"
        )

    def test_explain_a_broken_connection(self, tmp_path: Path) -> None:
        message = self.fail(tmp_path, "", ConnectionResetError("Connection reset by peer"))
        assert message == "QEMU hung up: Connection reset by peer"
