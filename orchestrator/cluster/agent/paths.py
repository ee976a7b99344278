"""Where the agent of a host keeps what it has: a folder of the isolab state there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orchestrator.paths import make_folder, state_dir


@dataclass(frozen=True)
class AgentPlace:
    """The agent's folder (mode 0700) and the names in it."""

    folder: Path

    @property
    def socket(self) -> Path:
        """Where it listens, with mode 0600."""
        return self.folder / "agent.sock"

    @property
    def lock(self) -> Path:
        """Whoever holds the lock of this file is the agent; it has the process id."""
        return self.folder / "agent.lock"

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    @property
    def wanted(self) -> Path:
        """As long as it is there, an agent that was killed is started again."""
        return self.folder / "agent.wanted"

    @property
    def key(self) -> Path:
        """The private key that lines are signed with."""
        return self.folder / "key.pem"

    @property
    def ledger(self) -> Path:
        """The database of units, their lines and leases."""
        return self.folder / "units.db"

    @property
    def draining(self) -> Path:
        """As long as it is there, the host takes no new units."""
        return self.folder / "draining"

    @property
    def bundles(self) -> Path:
        """Labs, each in a folder named after the digest of its bundle."""
        return self.folder / "bundles"

    @property
    def incoming(self) -> Path:
        """Files that are being sent to us."""
        return self.folder / "incoming"

    @property
    def logs(self) -> Path:
        """Logs of machines: a folder for each run."""
        return self.folder / "logs"


def agent_place() -> AgentPlace:
    """Return the place of this state's agent, made if it is missing. Raises Unavailable, OSError."""
    place = AgentPlace(state_dir() / "agent")
    for folder in (place.folder, place.bundles, place.incoming, place.logs):
        make_folder(folder, 0o700, exist_ok=True)
    return place
