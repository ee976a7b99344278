"""The terminal made for a program: keys, sizes and statuses pass, and the user's own comes back."""

from __future__ import annotations

import os
import sys
import termios
from pathlib import Path

from typist import CTRL_C, at_terminal

from orchestrator.paths import ROOT

_RELAYS = (
    "import sys; from orchestrator.sessions.pty import relay; sys.exit(relay(['sh', '-c', sys.argv[1]]))"
)
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def relayed(script: str) -> list[str]:
    return [sys.executable, "-c", _RELAYS, script]


def test_the_program_has_another_terminal_of_the_same_size(tmp_path: Path) -> None:
    before = "import os; print('ours', os.ttyname(0), flush=True); "
    argv = relayed("echo theirs $(tty); stty size; read word; echo got $word; exit 3")
    argv[2] = before + argv[2]
    with at_terminal(argv, ENV, str(tmp_path)) as typist:
        ours = typist.read_until("\r\n").split()[1]
        theirs = typist.read_until("\r\n").split()[1]
        assert theirs.startswith("/dev/pts/")
        assert theirs != ours
        typist.read_until("30 100")
        typist.type("hello")
        typist.read_until("got hello")
        assert typist.status() == 3


def test_ctrl_c_is_a_key_like_any_other_for_us(tmp_path: Path) -> None:
    script = "stty -isig -icanon -echo; echo ready; dd bs=1 count=1 2>/dev/null | od -An -tx1"
    with at_terminal(relayed(script), ENV, str(tmp_path)) as typist:
        typist.read_until("ready\r\n")
        typist.press(CTRL_C)
        typist.read_until("03")
        assert typist.status() == 0


def test_a_change_of_size_is_passed_on(tmp_path: Path) -> None:
    script = 'until [ "$(stty size)" = "44 132" ]; do sleep 0.05; done; echo sized'
    with at_terminal(relayed(f"echo ready; {script}"), ENV, str(tmp_path)) as typist:
        typist.read_until("ready\r\n")
        typist.resize(44, 132)
        typist.read_until("sized\r\n")


def test_a_signal_is_a_status_and_the_users_terminal_is_as_before(tmp_path: Path) -> None:
    argv = relayed("kill -KILL $$")
    argv[2] = argv[2].replace("sys.exit(", "print('status', ").rstrip() + "; import time; time.sleep(60)"
    with at_terminal(argv, ENV, str(tmp_path)) as typist:
        before = termios.tcgetattr(typist.terminal)
        typist.read_until("status 137")
        assert termios.tcgetattr(typist.terminal) == before
