"""One question to a running QEMU over its QMP socket."""

from __future__ import annotations

import json
import socket
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from orchestrator.deadline import Deadline
from orchestrator.errors import BootError


def human_command(path: Path, line: str, deadline: Deadline) -> str:
    """What the human monitor answers to a line. Raises BootError."""
    answer = execute(path, "human-monitor-command", {"command-line": line}, deadline)
    return str(answer)


def execute(path: Path, command: str, arguments: dict[str, Any], deadline: Deadline) -> Any:
    """One QMP command in a session of its own. Raises BootError."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as plug:
            plug.settimeout(max(0.1, deadline.within(30).remaining()))
            plug.connect(str(path))
            stream = plug.makefile("rwb")
            json.loads(stream.readline())  # the greeting
            _ask(stream, "qmp_capabilities", {})
            return _ask(stream, command, arguments)
    except (OSError, ValueError, TypeError, AttributeError) as problem:
        raise BootError(f"QEMU does not answer at {path.name}: {problem}") from None


def _ask(stream: BufferedRWPair, command: str, arguments: dict[str, Any]) -> Any:
    stream.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
    stream.flush()
    while line := stream.readline():
        answer = json.loads(line)
        if "error" in answer:
            raise BootError(f"QEMU refuses {command}: {answer['error'].get('desc')}")
        if "return" in answer:
            return answer["return"]
    raise BootError("QEMU closed its monitor")
