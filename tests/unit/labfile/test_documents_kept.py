"""Documents are kept from one reading to the next: by their text, and as they were."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import GOOD_LAB, load, make_folder

from orchestrator.cli.labs import open_lab
from orchestrator.errors import SpecError
from orchestrator.labfile.builtin import find_lab
from orchestrator.labfile.yaml_document import survey


@pytest.mark.parametrize("lab", ["separation", "capstone"])
def test_loading_leaves_them_as_they_are_written(lab: str) -> None:
    loaded = open_lab(lab)
    files = [find_lab(lab) / "lab.yaml"]
    files += [one.folder / "exercise.yaml" for one in loaded.exercises]
    files += [one.folder / "hidden.yaml" for one in loaded.exercises if one.hidden]
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert survey(text, str(file)) is survey(text, str(file))
        assert survey(text, str(file)) == survey.__wrapped__(text, str(file))


def test_a_file_that_was_changed_is_read_anew(tmp_path: Path) -> None:
    folder = make_folder(tmp_path)
    names = list(load(folder, GOOD_LAB).lab.machines)
    with pytest.raises(SpecError, match="1 mistake"):
        load(folder, GOOD_LAB.replace("cpus: 2", "cpus: 0"))
    assert list(load(folder, GOOD_LAB).lab.machines) == names
