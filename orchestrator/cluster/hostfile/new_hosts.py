"""Start a cluster: a commented hosts file."""

from __future__ import annotations

import json
from pathlib import Path

from orchestrator.cluster.hostfile.recognise import HOSTS_FILE
from orchestrator.cluster.hostfile.spec import hosts_schema
from orchestrator.labfile.new_lab import require_empty

STARTER = Path(__file__).with_name("starter")
SCHEMA = "hosts.schema.json"


def new_hosts(target: Path) -> tuple[str, ...]:
    """Write a new hosts file into the folder ``target``, with the schema that it names for editors.

    Returns the files written, relative to the folder. Raises SpecError when ``target`` exists and is not an
    empty folder; OSError.
    """
    require_empty(target)
    target.mkdir(parents=True, exist_ok=True)
    (target / SCHEMA).write_text(json.dumps(hosts_schema(), indent=1) + "\n", encoding="utf-8")
    (target / HOSTS_FILE).write_bytes((STARTER / HOSTS_FILE).read_bytes())
    return SCHEMA, HOSTS_FILE
