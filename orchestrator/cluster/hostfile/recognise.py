"""Tell a hosts file from a lab and a class, by its path."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.read_spec import read_document

HOSTS_FILE = "hosts.yaml"
_OTHERS = ("lab.yaml", "class.yaml", "exercise.yaml")


def is_hosts(path: Path) -> bool:
    """Whether a hosts file is at ``path``: a folder with ``hosts.yaml`` and neither a lab nor a class, a file
    of that name, or any YAML file that has the key ``hosts`` or ``scheduler`` and is none of the others."""
    if path.is_dir():
        return (path / HOSTS_FILE).is_file() and not any((path / name).exists() for name in _OTHERS)
    if path.name == HOSTS_FILE or path.name in _OTHERS or not path.is_file():
        return path.name == HOSTS_FILE
    try:
        data = read_document(path).data
    except SpecError:  # the lab's loader says so
        return False
    if not isinstance(data, dict):
        return False
    return bool({"hosts", "scheduler"} & data.keys()) and not {"lab", "class"} & data.keys()
