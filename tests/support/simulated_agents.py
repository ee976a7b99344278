"""Agents of many hosts in one process, for simulations: they speak the protocol, sign, and run nothing.

Standard input has one line, {"sockets": {host: path}, "seconds": a unit takes about so long}; standard output
one, {host: public key}. A unit's records fall evenly over its time. They end with standard input.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from dataclasses import dataclass, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from made_up_agent import record_of

from orchestrator.cluster.agent.protocol import decode, encode
from orchestrator.cluster.model import SignedLine, Unit

COMMAND = (sys.executable, __file__)


@dataclass(frozen=True)
class SimulatedAgent:
    """One host's agent."""

    host: str
    key: Ed25519PrivateKey
    seconds: float

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, as long as it lasts."""
        try:
            while line := await reader.readline():
                message = decode(line)
                unit = Unit.from_json(message["unit"])
                lines = [self._signed(unit, number, *body) for number, body in enumerate(_bodies(unit))]
                # Units differ in length, by a fifth; the same ones every time.
                each = self.seconds * random.Random(unit.key).uniform(0.8, 1.2) / max(1, len(lines) - 1)
                for one in lines:
                    if one.kind == "record":
                        await asyncio.sleep(each)
                    await _say(writer, {"id": message["id"], "item": one.to_json()})
                await _say(writer, {"id": message["id"], "done": {"lines": len(lines)}})
        except ConnectionError:
            return
        finally:
            writer.close()

    def _signed(self, unit: Unit, number: int, kind: str, body: str) -> SignedLine:
        line = SignedLine(self.host, unit.key, unit.epoch, number, kind, body)
        return replace(line, signature=self.key.sign(line.signed()).hex())


def _bodies(unit: Unit) -> list[tuple[str, str]]:
    """Kind and body of each line of a unit."""
    found = [
        ("record", record_of(job, exercise).to_json()) for job in unit.jobs for exercise in job.exercises
    ]
    return [*found, ("end", "")]


async def _say(writer: asyncio.StreamWriter, message: dict[str, Any]) -> None:
    writer.write(encode(message))
    await writer.drain()


async def main() -> None:
    """Serve until standard input ends."""
    given = json.loads(sys.stdin.readline())
    keys: dict[str, str] = {}
    for host, path in given["sockets"].items():
        agent = SimulatedAgent(host, Ed25519PrivateKey.generate(), given["seconds"])
        await asyncio.start_unix_server(agent.serve, path, limit=2**22, backlog=1024)
        keys[host] = agent.key.public_key().public_bytes_raw().hex()
    sys.stdout.write(json.dumps(keys) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
