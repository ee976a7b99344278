"""Canaries: whose they are, what each notices, what is left of them, and who may speak for them."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, loaded, record, subject

from orchestrator.deadline import Cancellation, Deadline
from orchestrator.errors import CanaryError, TimedOut
from orchestrator.exercises.canaries import base as canary_base
from orchestrator.exercises.canaries import files, host
from orchestrator.exercises.canaries.base import APART, Owners, owners
from orchestrator.exercises.canaries.manager import PURPOSE, CanaryManager, CanarySet
from orchestrator.exercises.execute import ExerciseContext, run_exercise
from orchestrator.host import process
from orchestrator.host.tempdirs import LOCK, abandoned
from orchestrator.labfile.canary_kinds import LABELS, RESERVED, CanaryKind, observation
from orchestrator.labfile.models import Boundary
from orchestrator.paths import STATE_NOTE, scratch_dir
from orchestrator.record import Status
from orchestrator.run.gc import reclaim

USERS = {"root": 0, "student": 1000, "other": 1001}
NOBODY = Owners(None, None)


@pytest.fixture
def canaries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CanaryManager]:
    """In a scratch of its own; its program is never run."""
    for name in ("SCRATCH", "STATE", "CACHE"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))
    (tmp_path / "SCRATCH").mkdir(mode=0o711)
    (tmp_path / "program").write_bytes(b"")
    made = CanaryManager(lambda: tmp_path / "program")
    yield made
    made.close()


def planted(canaries: CanaryManager, *kinds: CanaryKind) -> Any:
    return canaries.planted(kinds, NOBODY, FakeTransport([b""]), "/work/x", 1000, Deadline.never())


def path_of(standing: CanarySet, kind: str) -> Path:
    return Path(standing.env[f"ISOLAB_CANARY_{kind.upper()}"])


class TestWhose:
    @pytest.mark.parametrize("boundary", [Boundary.PROCESS, Boundary.SANDBOX, Boundary.CONTAINER])
    def test_on_the_hosts_kernel_they_have_the_attackers_own_user_id(self, boundary: Boundary) -> None:
        assert owners(boundary, USERS, True, "one") == Owners(1000, 1001)

    @pytest.mark.parametrize("boundary", [Boundary.VM, Boundary.EMULATED])
    def test_of_a_machine_with_its_own_kernel_nobody_else_is_taken_for_the_attacker(
        self, boundary: Boundary
    ) -> None:
        found = owners(boundary, USERS, True, "one")
        assert found.same in APART
        assert found.other == (found.same or 0) + 1
        assert found == owners(boundary, USERS, True, "one")
        assert found != owners(boundary, USERS, True, "another")

    def test_without_root_there_is_no_other_user(self) -> None:
        assert owners(Boundary.PROCESS, {"student": 1234}, False, "one") == NOBODY


class TestFiles:
    def test_what_nobody_touched_is_untouched(self, canaries: CanaryManager) -> None:
        with planted(canaries, "secret", "file", "entry") as standing:
            assert set(standing.inspect("nothing to see").values()) == {"untouched"}

    def test_who_prints_a_secret_has_read_that_canary_and_no_other(self, canaries: CanaryManager) -> None:
        with planted(canaries, "secret", "file") as standing:
            said = f"it says {path_of(standing, 'secret').read_text()}"
            assert standing.inspect(said) == {"secret_canary": "read", "file_canary": "untouched"}

    def test_the_secret_is_not_told_to_the_attacker(self, canaries: CanaryManager) -> None:
        with planted(canaries, "secret") as standing:
            assert path_of(standing, "secret").read_text() not in " ".join(standing.env.values())

    def test_writing_deleting_and_putting_something_else_in_its_place_are_seen(
        self, canaries: CanaryManager
    ) -> None:
        with planted(canaries, "secret", "file", "entry") as standing:
            path_of(standing, "file").write_text("mine")
            path_of(standing, "entry").unlink()
            path_of(standing, "secret").unlink()
            path_of(standing, "secret").symlink_to("/dev/zero")
            assert standing.inspect("") == {
                "secret_canary": "written", "file_canary": "written", "entry_canary": "deleted",
            }  # fmt: skip

    def test_another_users_file_needs_root(self, canaries: CanaryManager) -> None:
        with planted(canaries, "other-file") as standing:
            (found,) = standing.inspect("").values()
        assert found.startswith("not planted (isolab is not running as root")

    def test_files_left_where_everybody_may_write_are_found_and_removed(
        self, canaries: CanaryManager
    ) -> None:
        with planted(canaries, "left-file") as standing:
            left = Path("/tmp") / standing.env["ISOLAB_CANARY_LEFT"]
            assert standing.inspect("") == {"left_file_canary": "untouched"}
            left.touch()
            assert standing.inspect("") == {"left_file_canary": "on the host"}
        assert not left.exists()

    @pytest.mark.parametrize(("content", "became"), [(b"", "written"), (b"junk", "written")])
    def test_the_programs_own_file_is_read_back_from_its_machine(
        self, canaries: CanaryManager, content: bytes, became: str
    ) -> None:
        there = FakeTransport([b"", content])
        with canaries.planted(["own-file"], NOBODY, there, "/work/x", 1000, Deadline.never()) as standing:
            assert standing.inspect("") == {"own_file_canary": became}
        assert there.asked[1] == ["head", "-c", "4096", "/work/x/own-data.txt"]


class FakeConversation:
    """A canary process that gives these answers, then says nothing more; our own process id."""

    pid = os.getpid()

    def __init__(self, *answers: str) -> None:
        self.answers = [f"{answer}\n".encode() for answer in ("ready 1000", *answers)]
        self.closed = False

    def __call__(self, *_: object, **__: object) -> FakeConversation:
        return self

    def send(self, data: bytes, deadline: Deadline) -> None:
        self.secret = getattr(self, "secret", data.strip())

    def receive(self, deadline: Deadline) -> bytes:
        return self.answers.pop(0).replace(b"SECRET", self.secret.hex().encode()) if self.answers else b""

    def close(self, *, at_once: bool = False) -> None:
        self.closed = True


class TestProcesses:
    @pytest.mark.parametrize(
        ("kind", "answer", "became"),
        [
            ("process", "0 0 1 SECRET.", "untouched"),
            ("process", "2 0 1 SECRET.", "signalled"),
            ("forks", "0 0 1 SECRET.", "untouched"),
            ("forks", "0 9 1 SECRET.", "starved"),
            ("memory", "1 0 1 SECRET.", "untouched"),
            ("memory", "0 0 1 6d61726b.", "written"),
            ("memory", "0 0 1 zz.", "written"),
            ("process", "all is well", "written"),
            ("segment", "0 0 1 SECRET.", "untouched"),
            ("segment", "0 0 0 .", "deleted"),
            ("queue", "0 0 1 .", "emptied"),
            ("queue", "0 0 1 6d61726b.", "written"),
        ],
    )
    def test_what_it_says_it_noticed(
        self,
        canaries: CanaryManager,
        monkeypatch: pytest.MonkeyPatch,
        kind: CanaryKind,
        answer: str,
        became: str,
    ) -> None:
        talk = FakeConversation(answer)
        monkeypatch.setattr(process, "Conversation", talk)
        with planted(canaries, kind) as standing:
            assert standing.inspect("") == {observation(kind): became}
        assert talk.closed

    def test_attacks_on_one_users_count_of_processes_take_turns(
        self, canaries: CanaryManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "Conversation", FakeConversation())
        there = FakeTransport([b""])
        with planted(canaries, "forks"):
            late = canaries.planted(["forks"], NOBODY, there, "/work/x", 1000, Deadline.after(0.05))
            with pytest.raises(TimedOut, match="another machine's attack"), late:
                pass

    def test_one_that_says_nothing_more_was_killed(
        self, canaries: CanaryManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(process, "Conversation", FakeConversation())
        with planted(canaries, "process") as standing:
            assert standing.inspect("") == {"process_canary": "killed"}

    def test_one_that_does_not_get_ready_is_closed_and_told(
        self, canaries: CanaryManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        talk = FakeConversation()
        talk.answers.clear()
        monkeypatch.setattr(process, "Conversation", talk)
        with (
            pytest.raises(CanaryError, match="cannot plant the canary 'process'"),
            planted(canaries, "process"),
        ):
            pass
        assert talk.closed


class TestListeners:
    def test_a_mark_reaches_and_a_call_alone_knocks(self, canaries: CanaryManager) -> None:
        with planted(canaries, "listener", "datagram", "socket") as standing:
            mark = standing.env["ISOLAB_CANARY_MARK"].encode()
            with socket.create_connection(("127.0.0.1", int(standing.env["ISOLAB_CANARY_PORT"]))):
                pass
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.sendto(mark, "\0" + standing.env["ISOLAB_CANARY_SOCKET"])
            assert standing.inspect("") == {
                "listener_canary": "knocked on", "datagram_canary": "untouched", "socket_canary": "reached",
            }  # fmt: skip
            with socket.create_connection(("127.0.0.1", int(standing.env["ISOLAB_CANARY_PORT"]))) as caller:
                caller.sendall(mark)
            assert standing.inspect("")["listener_canary"] == "reached"

    def test_a_host_without_a_way_out_has_no_address_to_listen_at(
        self, canaries: CanaryManager, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("orchestrator.exercises.canaries.listeners.own_address", lambda: None)
        with planted(canaries, "outside-listener") as standing:
            (found,) = standing.inspect("").values()
        assert found.startswith("not planted (the host has only a loopback address")


class TestWhatIsLeft:
    def test_nothing_of_an_attack_and_nothing_of_a_run(self, canaries: CanaryManager, tmp_path: Path) -> None:
        scratch = scratch_dir()
        with planted(canaries, "file", "shared-memory") as standing:
            shared = Path(f"/dev/shm{standing.env['ISOLAB_CANARY_SHM']}")
            assert shared.exists()
        (folder,) = scratch.glob(f"{PURPOSE}-*")
        assert sorted(p.name for p in folder.iterdir()) == [LOCK, "bin", "journal"]
        assert not shared.exists()
        canaries.close()
        assert [path.name for path in scratch.iterdir()] == [STATE_NOTE]

    def test_a_file_exchanged_for_a_folder_is_removed_as_well(self, canaries: CanaryManager) -> None:
        with planted(canaries, "shared-memory") as standing:
            shared = Path(f"/dev/shm{standing.env['ISOLAB_CANARY_SHM']}")
            shared.unlink()
            (shared / "deeper").mkdir(parents=True)
            assert standing.inspect("") == {"shared_memory_canary": "written"}
        assert not shared.exists()

    def test_gc_undoes_what_a_killed_run_had_planted(
        self, canaries: CanaryManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = scratch_dir() / f"{PURPOSE}-x"
        folder.mkdir()
        shared = Path("/dev/shm") / f"isolab-canary-unit-{os.getpid()}"
        shared.touch()
        (folder / LOCK).touch()
        (folder / "journal").write_text(f'["file", "{shared}"]\n["file", "/dev/sh')
        monkeypatch.setattr("orchestrator.run.gc.TRAITS", ())
        from orchestrator.machines.journal import Journal

        assert folder in list(abandoned())
        assert f"canary file {shared}" in list(reclaim(Journal()))
        assert not shared.exists()
        assert not folder.exists()

    def test_keys_of_ours_can_be_told_from_others(self) -> None:
        assert {canary_base.new_key() >> 16 for _ in range(9)} == {canary_base.KEYS}


class TestExercises:
    def test_every_kind_has_a_label_and_a_name_of_its_own(self) -> None:
        assert len(RESERVED) == len(LABELS)
        assert observation("other-file") == "other_file_canary"

    def test_a_program_cannot_say_what_became_of_a_canary(self, canaries: CanaryManager) -> None:
        """It overwrites the file and claims it did not."""
        done = attacked(
            canaries, answer(b'{"file_canary": "untouched", "process_canary": "killed", "a": 1}\n')
        )
        assert done.observations == {"file_canary": "written", "a": 1}
        assert (
            "ignored file_canary, process_canary in the output: only the controller observes that"
            in done.reason
        )
        assert (done.status, done.points) == (Status.PASS, 1)

    def test_canaries_are_inspected_also_after_a_program_that_failed(self, canaries: CanaryManager) -> None:
        done = attacked(canaries, answer(exit=None, signal="SIGSEGV"))
        assert done.status is Status.FAIL
        assert done.observations == {"file_canary": "written"}

    def test_without_a_garden_there_is_nothing_to_attack(self) -> None:
        place = ExerciseContext(FakeTransport([b""]), SITE, subject(), "tag", "canary")
        exercise = loaded(Path("/e"), {"canaries": ["file"]})
        with pytest.raises(CanaryError):
            run_exercise(exercise, place, record(), Cancellation())


class Attacker(FakeTransport):
    """A machine whose program overwrites the canary file."""

    def run(self, argv: Sequence[str], **options: Any) -> Any:
        (setting,) = [word for word in argv if word.startswith("ISOLAB_CANARY_FILE=")]
        Path(setting.partition("=")[2]).write_text("mine")
        return super().run(argv, **options)


def attacked(canaries: CanaryManager, said: bytes) -> Any:
    place = ExerciseContext(Attacker([said]), SITE, subject(), "tag", "canary", canaries=canaries)
    checks = [{"that": "file_canary", "equals": "written"}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("orchestrator.exercises.execute.owners", lambda *_: NOBODY)
        exercise = loaded(Path("/e"), {"canaries": ["file"], "checks": checks})
        return run_exercise(exercise, place, record(), Cancellation())


def test_a_canary_that_cannot_be_planted_is_our_error_and_says_which(
    canaries: CanaryManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files, "shared_memory", refuse)
    with (
        pytest.raises(CanaryError, match="cannot plant the canary 'shared-memory'"),
        planted(canaries, "shared-memory"),
    ):
        pass


class TestKernelLog:
    @pytest.mark.parametrize(
        ("problem", "why"),
        [
            (PermissionError(1, "Operation not permitted"), "no permission to read the host's kernel log"),
            (FileNotFoundError(2, "No such file or directory"), "kernel log cannot be read: No such file"),
        ],
    )
    def test_one_that_may_not_be_opened_is_not_planted(
        self, canaries: CanaryManager, monkeypatch: pytest.MonkeyPatch, problem: OSError, why: str
    ) -> None:
        """Whatever its mode says: kernel.dmesg_restrict refuses the open(2) of a file that all may read."""

        def refuse(_: object) -> None:
            raise problem

        monkeypatch.setattr(host, "KernelLog", refuse)
        with planted(canaries, "kernel-log") as standing:
            assert why in standing.inspect("")[observation("kernel-log")]
