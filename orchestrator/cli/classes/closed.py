"""What would keep students out if the class came up now."""

from __future__ import annotations

from orchestrator.classes.entrances import require_entrances
from orchestrator.classes.model import LoadedClass
from orchestrator.errors import LabError
from orchestrator.progress import write_error


def tell_closed(found: LoadedClass) -> None:
    """Say why students could not get in now, if they could not: it may be another class that ends today."""
    try:
        require_entrances(found)
    except LabError as problem:
        write_error(f"as things are now, `isolab class up` would refuse: {problem.describe()}\n")
