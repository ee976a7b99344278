"""The one door to subprocess: what comes out, and that nothing outlives its deadline."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from deadlines import once

from orchestrator.deadline import Cancellation, Deadline, poll
from orchestrator.errors import Interrupted, TimedOut, Unavailable
from orchestrator.host import process
from orchestrator.host.process import child

SOON = 60.0


def sh(script: str, **options: object) -> process.Finished:
    return process.run(["sh", "-c", script], **{"deadline": Deadline.after(SOON), **options})  # type: ignore[arg-type]


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie that nobody here can wait for has)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):  # it ended before, or between, open and read
        return True


def test_output_streams_stay_apart() -> None:
    done = sh("echo out; echo err >&2")
    assert (done.code, done.stdout, done.stderr) == (0, b"out\n", b"err\n")


def test_output_is_bounded_but_the_program_runs_to_its_end() -> None:
    done = sh("head -c 100000 /dev/zero; echo end >&2", limit=1000)
    assert (len(done.stdout), done.stderr) == (1000, b"end\n")


@pytest.mark.parametrize("hold", [False, True])
@pytest.mark.parametrize("size", [0, 1, 1_000_000])
def test_standard_input_arrives_whole(size: int, hold: bool) -> None:
    # A held input has no end, so the reader must know how much to read.
    done = sh(f"head -c {size} | wc -c", stdin=b"x" * size, hold_stdin=hold)
    assert int(done.stdout) == size


def test_a_held_input_stays_open_until_the_program_ends() -> None:
    script = "import select, sys; print(select.select([0], [], [], 0.2)[0])"
    done = process.run([sys.executable, "-c", script], deadline=Deadline.after(SOON), hold_stdin=True)
    assert done.stdout == b"[]\n"


def test_a_program_may_leave_its_held_input_unread() -> None:
    assert sh("exit 0", stdin=b"x" * 1_000_000, hold_stdin=True).code == 0


def test_environment_and_folder_are_what_was_given(tmp_path: Path) -> None:
    done = sh("echo $A $HOME; pwd", env={"A": "1", "PATH": os.environ["PATH"]}, cwd=tmp_path)
    assert done.stdout.decode().split() == ["1", str(tmp_path)]


def test_a_failure_shows_the_command_and_its_last_words() -> None:
    with pytest.raises(process.ProcessFailed) as caught:
        sh("seq 20; echo last words >&2; exit 3")
    assert "exited with status 3" in caught.value.message
    assert caught.value.message.endswith("last words")


def test_unchecked_failures_are_answers() -> None:
    assert sh("exit 3", check=False).code == 3
    assert sh("kill -SEGV $$", check=False).code == -signal.SIGSEGV


def test_the_tail_is_short_and_prefers_standard_error() -> None:
    done = process.Finished((), 1, b"out", b"\n".join(b"%d" % n for n in range(100)))
    assert done.tail(2) == "98\n99"
    assert process.Finished((), 1, b"out\xff", b" \n").tail() == "out�"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(Unavailable, match="no-such-program-here: program not found") as caught:
        process.run(["no-such-program-here"], deadline=Deadline.after(SOON))
    assert "isolab doctor" in caught.value.hint


def test_a_file_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_text("")
    with pytest.raises(Unavailable, match=r"cannot start .*data: "):
        process.run([file], deadline=Deadline.after(SOON))


def family(tmp_path: Path, child: str) -> str:
    """A shell script: a grandchild that notes its process id and ignores SIGTERM, beside ``child``."""
    return f"(trap '' TERM; exec sh -c 'echo $$ >{tmp_path}/pid; {child}') & {child}"


def noted(tmp_path: Path) -> str:
    note = tmp_path / "pid"
    return note.read_text().strip() if note.exists() else ""


def grandchild(tmp_path: Path) -> int:
    return int(poll(lambda: noted(tmp_path), Deadline.after(SOON), "pid"))


@pytest.mark.parametrize("child", ["sleep 1000", "while :; do sleep 0.1; done"])
def test_a_timeout_ends_the_whole_group(tmp_path: Path, child: str) -> None:
    with once(lambda: noted(tmp_path)) as deadline, pytest.raises(TimedOut, match="sh -c"):
        sh(family(tmp_path, child), deadline=deadline)
    pid = grandchild(tmp_path)
    poll(lambda: gone(pid), Deadline.after(SOON), "the grandchild's end")


def test_the_polite_signal_comes_first(tmp_path: Path) -> None:
    up, note = tmp_path / "up", tmp_path / "note"
    script = f"trap 'echo cleaned >{note}; exit' TERM; touch {up}; while :; do sleep 0.01; done"
    cancellation = Cancellation()

    def cancel_when_up() -> None:
        poll(up.exists, Deadline.after(SOON), "the program's start")
        cancellation.cancel()

    watcher = threading.Thread(target=cancel_when_up)
    watcher.start()
    with pytest.raises(Interrupted):
        sh(script, deadline=Deadline.after(SOON, cancellation))
    watcher.join()
    assert note.read_text() == "cleaned\n"


def test_who_ignores_the_polite_signal_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "GRACE", 0.1)
    script = f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 0.05; done"
    with once(lambda: noted(tmp_path)) as deadline, pytest.raises(TimedOut):
        sh(script, deadline=deadline)
    assert gone(grandchild(tmp_path))


def test_interruption_ends_a_waiting_child() -> None:
    cancellation = Cancellation()
    threading.Timer(0.05, cancellation.cancel).start()
    with pytest.raises(Interrupted):
        sh("sleep 1000", deadline=cancellation.deadline())


def test_running_lives_as_long_as_the_block() -> None:
    with process.running(["a-name-of-its-own", "1000"], executable=Path("/bin/sleep")) as pid:
        words = poll(Path(f"/proc/{pid}/cmdline").read_bytes, Deadline.after(SOON), "its arguments")
        assert words == b"a-name-of-its-own\0" + b"1000\0"
    assert gone(pid)


def test_a_detached_program_is_not_our_child_and_writes_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process.detach(["sh", "-c", "echo $$; exec sleep 1000"], log, Deadline.after(SOON))
    pid = int(poll(lambda: log.read_text().strip(), Deadline.after(SOON), "its first words"))
    try:
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        assert parent != os.getpid()
        assert os.getsid(pid) == pid
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_program_that_is_still_open_for_writing_is_waited_for(tmp_path: Path) -> None:
    """As by a child of another thread, between its fork(2) and its execve(2)."""
    program = tmp_path / "program"
    shutil.copy(shutil.which("true") or "true", program)
    with program.open("ab") as held:
        threading.Timer(0.3, held.close).start()
        assert process.run([program], deadline=Deadline.after(30)).code == 0
