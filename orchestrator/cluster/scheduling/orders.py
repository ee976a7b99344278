"""Orders: a unit, signed by the controller, so that a host runs nothing that another host asks it for.

Dask's scheduler lets whoever is connected to it give work to workers. The signature (Ed25519) is over what
the host is to run, and its name.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from orchestrator.cluster.model import Unit
from orchestrator.cluster.scheduling.made_once import alone
from orchestrator.errors import Unavailable
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder

KEY = "orders.key"
_CONTEXT = b"isolab cluster order\n"


@dataclass(frozen=True)
class Signer:
    """Signs orders with the cluster's key for them."""

    key: Ed25519PrivateKey

    @property
    def public_key(self) -> str:
        """What verifies them: 64 hexadecimal digits."""
        return self.key.public_key().public_bytes_raw().hex()

    def order(self, unit: Unit, host: str, topic: str) -> str:
        """Return the order to a host to run a unit, and to tell its lines in a topic of Dask's events."""
        body = json.dumps({"unit": unit.to_json(), "host": host, "topic": topic})
        return json.dumps({"body": body, "signature": self.key.sign(_CONTEXT + body.encode()).hex()})


@dataclass(frozen=True)
class Order:
    """A verified order."""

    unit: Unit
    topic: str


def signer(folder: Path) -> Signer:
    """Return what signs a cluster's orders; its key is made if necessary. ``folder`` is the state folder."""
    make_folder(folder, 0o700, exist_ok=True)
    path = folder / KEY
    with alone(folder):
        if not path.exists():
            write_atomically(path, Ed25519PrivateKey.generate().private_bytes_raw())
    try:
        return Signer(Ed25519PrivateKey.from_private_bytes(path.read_bytes()))
    except ValueError:
        raise Unavailable(f"{path} is damaged", hint="remove it, and start the cluster again") from None


def verified(order: str, public_key: str, host: str) -> Order:
    """Return what an order says. Raises Unavailable if the controller did not give it to this host."""
    try:
        outer = json.loads(order)
        body = str(outer["body"])
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(outer["signature"]), _CONTEXT + body.encode())
        inner = json.loads(body)
        meant = inner["host"]
        found = Order(Unit.from_json(inner["unit"]), str(inner["topic"]))
    except InvalidSignature:
        raise Unavailable(f"{host} was asked for a unit by somebody other than its controller") from None
    except (ValueError, KeyError, TypeError) as problem:
        raise Unavailable(f"{host} was asked for what is no unit: {problem}") from None
    if meant != host:
        raise Unavailable(f"{host} was asked for a unit that the controller gave to {meant}")
    return found
