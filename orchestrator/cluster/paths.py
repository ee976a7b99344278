"""Where a cluster keeps things on the controller: in one folder of the state folder, for its user only."""

from __future__ import annotations

from pathlib import Path

from orchestrator.host.cache import digest
from orchestrator.paths import make_folder, state_dir

CLUSTERS = "clusters"
"""The folder in the state folder that has one for each hosts file."""
TLS, BUNDLES, MASTERS = "tls", "bundles", "masters"
"""Folders of a cluster's state: its CA with the certificates and keys, labs as they were sent, and what there
is of SSH connections besides their sockets."""
HOST_KEYS, EPOCHS, RUNS = "host-keys.json", "epochs.json", "runs"
"""The hosts' public keys as `cluster up` learned them, the highest epoch given to each unit, and the journal
of runs."""
SUPERVISOR_LOCK, SUPERVISOR_LOG, STATUS = "supervisor.lock", "supervisor.log", "status.json"


def cluster_state(file: Path) -> Path:
    """Return the state folder of the cluster with this hosts file, made if necessary, mode 0700. Files of the
    same name in two places have their own. Raises Unavailable."""
    place = file.resolve()
    folder = state_dir() / CLUSTERS / f"{_stem(place)}-{digest(str(place))[:8]}"
    make_folder(folder, 0o700, exist_ok=True)
    return folder


def cluster_states() -> list[Path]:
    """Return the state folders of all clusters of this user that there have been."""
    return sorted(path for path in (state_dir() / CLUSTERS).glob("*-????????") if path.is_dir())


def _stem(file: Path) -> str:
    """The file's name without its suffix, as a folder may be called on any file system."""
    return "".join(one if one.isalnum() or one in "._-" else "-" for one in file.stem)[:40] or "hosts"
