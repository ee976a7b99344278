"""Tell a class from a lab, by its path."""

from __future__ import annotations

from pathlib import Path

from orchestrator.errors import SpecError
from orchestrator.labfile.load import LAB_FILE
from orchestrator.labfile.read_spec import read_document

CLASS_FILE = "class.yaml"


def is_class(path: Path) -> bool:
    """Whether a class is at ``path``: a folder with ``class.yaml`` and without ``lab.yaml``, a file of that
    name, or any YAML file that has the key ``class`` and not ``lab``."""
    if path.is_dir():
        return (path / CLASS_FILE).is_file() and not (path / LAB_FILE).is_file()
    if path.name in (CLASS_FILE, LAB_FILE) or not path.is_file():
        return path.name == CLASS_FILE
    try:
        data = read_document(path).data
    except SpecError:  # the lab's loader says so
        return False
    return isinstance(data, dict) and "class" in data and "lab" not in data
