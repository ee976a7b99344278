"""What is said to an agent and by it: one JSON object a line, at most ``LONGEST`` bytes, in both directions.

A request is ``{"id": 1, "ask": "facts", …}``. Answers carry its id: any number of ``{"id": 1, "item": …}``,
then one ``{"id": 1, "done": …}`` or ``{"id": 1, "error": "…", "hint": "…", "code": 3}``. Requests of one
connection are answered side by side; bytes travel as base64.

| ask | with | items | done |
|---|---|---|---|
| facts | host: its name for the controller | | HostFacts |
| beat | leases: [run], seconds | | {"lost": [run]}: prolongs the leases of these runs |
| has | digests: [bundle] | | {"missing": [digest]} |
| put | digest, part (base64), more: bool, run: if it is that one's alone | | {"size": bytes so far}; the \
| last part is checked by digest |
| forget | run | | {}: what still runs of it is ended; its lines and logs, and its own bundles, are gone |
| identities | bundle, machines: [name] | | {"machines": {name: {"template", "qemu"}}}; or "lacking", "hint" |
| run | unit: JSON of a Unit, host: its name | lines: JSON of a SignedLine | {"lines": how many} |
| lines | unit: key, epoch, from: number | lines it has | {"ended": bool} |
| cancel | run, or one unit of it: unit (key), epoch | | {"units": [key]} when they are torn down |
| logs | run, limit: bytes | {"part": base64} of a tar | {"left_out": [name]} |
| leases | | | [{"run", "epoch", "until", "guests": [name], "kept": bool}] |
| warm | images: [[image, arch]], or bundle and machines: [name]; templates: bool | {"word": …} \
| {"templates": {key: seconds}} |
| take | template: key, kind, part, more, digest | | as put; tested when it is first wanted |
| give | template: key, kind ("templates" or "images") | {"part": base64} | {"digest": …} |
| drain | on: bool | | {"units": running, "kept": [machine]} |
| stop | | | {}: the agent ends when it has no guests |
"""

from __future__ import annotations

import json
from typing import Any

from orchestrator.errors import TransportError

LONGEST = 4 * 2**20
PART = 1 * 2**20
"""Bytes of a file in one message, before base64."""


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as a line. Raises TransportError if it is too long."""
    line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    if len(line) > LONGEST:
        raise TransportError(f"a message of {len(line)} bytes is too long for an agent")
    return line


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line. Raises TransportError for what is no JSON object, or too long."""
    if len(line) > LONGEST:
        raise TransportError(f"an agent's message is longer than {LONGEST} bytes")
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise TransportError(f"an agent's message is no JSON object: {line[:80]!r}")
    return found
