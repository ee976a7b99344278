"""A lab that is up to stay, and ways to use it: each use is a process of its own."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import Answer, isolab
from habitat import Home
from places import LABS

LAB = LABS / "stay"


@dataclass(frozen=True)
class Place:
    """A home with a lab up in it; each use is a process of its own."""

    home: Home

    def isolab(self, *words: str | Path, code: int = 0) -> Answer:
        answer = isolab(self.home, *words, seconds=600)
        assert answer.code == code, answer.stderr
        return answer

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.isolab(*words, "--format", "json").stdout)

    def states(self) -> dict[str, str]:
        return {m["name"]: m["state"] for m in self.json("status")["machines"]}

    def say(self, machine: str, line: str, *options: str) -> str:
        return self.isolab("ssh", *options, machine, "--", line).stdout

    def file(self, name: str, content: bytes = b"some words\n") -> Path:
        path = self.home.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path


def has_qemu(home: Home, tag: str = "-guest") -> bool:
    """Whether the QEMU of a machine whose tag ends so runs in this home."""
    return any(
        "-name" in words and words[words.index("-name") + 1].endswith(tag)
        for words in home.command_lines().values()
    )
