"""What a run keeps of its lab: enough for a report of later, and nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import lab, loaded, record

from orchestrator.labfile.load import LoadedLab
from orchestrator.results.snapshot import about_run, keep, specs_of

EXERCISE = """title: As it was
run: ./program
build: {sources: [program.c]}
files: [sub/words.txt]
checks: [{that: x, equals: 1}]
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run of one exercise, whose own folder has since been changed."""
    source = tmp_path / "source"
    (source / "sub").mkdir(parents=True)
    (source / "exercise.yaml").write_text(EXERCISE)
    (source / "program.c").write_bytes(b"int main(void) { return 0; } /* \xff */\n")
    (source / "sub" / "words.txt").write_text("words")
    (source / "solution.c").write_text("not for students")
    (tmp_path / "lab.yaml").write_text("lab: small\ntitle: Small\ndescription: A lab.\n")
    named = ["program.c"]
    exercise = loaded(
        source, {"build": {"sources": named}, "files": ["sub/words.txt", "gone.txt"]}, "ipc/own"
    )
    whole = LoadedLab(lab({"vm": {"driver": "process"}}).lab, tmp_path / "lab.yaml", (exercise,))
    folder = tmp_path / "run"
    folder.mkdir()
    keep(whole, folder)
    (source / "exercise.yaml").write_text("title: Changed\nrun: ./other\n")
    return folder


def test_a_report_shows_the_files_as_they_were(run: Path) -> None:
    about = about_run(run, [record("ipc/own")])
    assert (about.title, about.description) == ("Small", "A lab.")
    assert about.sources["ipc/own"] == {
        "program.c": "int main(void) { return 0; } /* \ufffd */\n",
        "sub/words.txt": "words",
    }
    assert specs_of(run, [record("ipc/own")])["ipc/own"].title == "As it was"


def test_a_header_that_exercises_share_is_kept_beside_them(tmp_path: Path) -> None:
    source = tmp_path / "source" / "one"
    source.mkdir(parents=True)
    build = {"sources": ["one.c"], "headers": ["shared.h"]}
    (source / "exercise.yaml").write_text(f"title: One\nrun: ./one\nbuild: {build}\n")
    (source / "one.c").write_text('#include "../shared.h"\n')
    (source.parent / "shared.h").write_text("#define ONE 1\n")
    (source.parent / "other.h").write_text("not of this exercise\n")
    (tmp_path / "lab.yaml").write_text("lab: small\n")
    exercise = loaded(source, {"build": build}, "topic/one")
    whole = LoadedLab(lab({"vm": {"driver": "process"}}).lab, tmp_path / "lab.yaml", (exercise,))
    folder = tmp_path / "run"
    folder.mkdir()
    keep(whole, folder)
    (source.parent / "shared.h").unlink()
    records = [record("topic/one")]
    assert about_run(folder, records).sources["topic/one"] == {
        "../shared.h": "#define ONE 1\n",
        "one.c": '#include "../shared.h"\n',
    }
    assert specs_of(folder, records)["topic/one"].build[0].headers == ["shared.h"]


def test_only_what_an_exercise_names_is_kept(run: Path) -> None:
    kept = {path.name for path in (run / "exercises").rglob("*") if path.is_file()}
    assert kept == {"exercise.yaml", "program.c", "words.txt"}


def test_a_run_that_kept_nothing_is_still_a_run(tmp_path: Path) -> None:
    about = about_run(tmp_path, [record("memory/address-space")])
    assert (about.title, about.sources) == ("", {"memory/address-space": {}})
    assert specs_of(tmp_path, [record("memory/address-space")])["memory/address-space"].title


@pytest.mark.parametrize("name", ["../secret", "/etc", "./../secret", "a/../../secret"])
def test_a_name_that_leads_elsewhere_is_not_followed(tmp_path: Path, name: str) -> None:
    for secret in (tmp_path / "secret", tmp_path / "run" / "secret"):
        secret.mkdir(parents=True)
        (secret / "exercise.yaml").write_text(EXERCISE)
    assert about_run(tmp_path / "run", [record(name)]).sources == {}
    assert specs_of(tmp_path / "run", [record(name)]) == {}
