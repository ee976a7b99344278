"""Seed a cloud image with a machine's configuration, and wait until it is applied.

The seed is a small disk in cloud-init's NoCloud format: a file system named ``cidata`` with
``user-data`` and ``meta-data``. It contains the host key, so that the key is known beforehand. Sources:
cloud-init's documentation, "NoCloud", "Module reference" (ssh, users and groups), and
"Return codes" of ``cloud-init status`` (2: done, with errors it could recover from).
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from pathlib import Path

from orchestrator.deadline import Deadline
from orchestrator.drivers.guest.identity import Keys
from orchestrator.errors import BootError, TimedOut, TransportError
from orchestrator.host.tempdirs import working_folder
from orchestrator.images import Image, iso
from orchestrator.images.micro import OTHER, RUNNER, STUDENT
from orchestrator.transport.base import Item, Transport, put
from orchestrator.transport.ssh import Address, connected

RECOVERED = 2
TRY_SECONDS = 60.0
PAUSE_SECONDS = 1.0
SETTLE_SECONDS = 1800.0


def render_user_data(name: str, keys: Keys) -> str:
    """Return the cloud-config as JSON, which is YAML without its quoting rules. Pure."""
    public = f"ssh-ed25519 {base64.b64encode(keys.host_public).decode()}"
    people = [("student", STUDENT), ("other", OTHER)]
    config = {
        "hostname": name,
        "manage_etc_hosts": True,
        "disable_root": False,
        "ssh_pwauth": False,
        "ssh_deletekeys": True,
        "ssh_genkeytypes": [],
        "ssh_keys": {"ed25519_private": keys.host_openssh.decode(), "ed25519_public": public},
        "users": [
            {"name": "root", "ssh_authorized_keys": [keys.client_public.decode().strip()]},
            *({"name": n, "uid": str(i), "shell": "/bin/bash", "lock_passwd": True} for n, i in people),
        ],
        "locale": False,  # keep the image's; generating one takes long
        "package_update": False,
        "package_upgrade": False,
    }
    return "#cloud-config\n" + json.dumps(config, indent=1) + "\n"


def write_seed(path: Path, name: str, keys: Keys, deadline: Deadline) -> None:
    """Write the seed as an ISO 9660 file system, readable only by its owner: it holds the host key.

    Raises Unavailable without xorriso.
    """
    meta = json.dumps({"instance-id": f"isolab-{secrets.token_hex(8)}", "local-hostname": name})
    with working_folder("seed") as folder:
        (folder / "tree").mkdir()
        (folder / "tree/user-data").write_text(render_user_data(name, keys))
        (folder / "tree/meta-data").write_text(meta)
        iso.make("cidata", folder / "tree", folder / "seed", deadline, ["-joliet"])
        path.touch(mode=0o600)
        path.write_bytes((folder / "seed").read_bytes())


def settle(
    address: Address, name: str, image: Image, deadline: Deadline, meanwhile: Callable[[], None]
) -> None:
    """Wait until the machine is configured, and copy the runner to it.

    ``meanwhile`` runs between tries and may raise. Raises BootError, TransportError, TimedOut,
    Interrupted.
    """
    while True:
        meanwhile()
        try:
            with connected(address, name, deadline.within(TRY_SECONDS)) as transport:
                _finish(transport, name, image, deadline)
                return
        except (
            TransportError,
            TimedOut,
            OSError,
        ) as problem:  # this attempt only
            deadline.check(f"{name}: waiting for its SSH server with the expected host key ({problem})")
            deadline.cancellation.wait(PAUSE_SECONDS)


def _finish(transport: Transport, name: str, image: Image, deadline: Deadline) -> None:
    done = transport.run(["cloud-init", "status", "--wait"], deadline=deadline.within(SETTLE_SECONDS))
    if done.code not in (0, RECOVERED):
        long = transport.run(["cloud-init", "status", "--long"], deadline=deadline)
        raise BootError(
            f"{name}: cloud-init failed (status {done.code}):\n{long.stdout.decode(errors='replace')[:2000]}"
        )
    folder, file = RUNNER.rsplit("/", 1)
    items = [
        Item(folder, None, 0o755),
        Item(f"{folder}/{file}", image.runner.read_bytes(), 0o755),
        Item("work", None, 0o711),
    ]
    put(transport, "/", items, deadline)
