"""Parcels: a student's work as one text, and on another host the exercise it was handed in for."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import Any

import factories
import pytest
from factories import loaded
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.grading import parcel as parcels
from orchestrator.grading.parcel import Handed, opened, parcel, with_parcel
from orchestrator.grading.work import Work, WorkStore
from orchestrator.labfile.load import LoadedLab
from orchestrator.submissions.model import Student, Submission

ABOUT = Submission((Student("ada"),), Path(), "ada")
FILES = st.dictionaries(
    st.sampled_from(["a.c", "b.h", "in/c.c", "ä ö.txt"]), st.binary(max_size=200), max_size=4
)
VALUES = st.dictionaries(st.sampled_from(["n", "word"]), st.integers() | st.text(max_size=9), max_size=2)


def written(data: Any) -> str:
    return base64.b64encode(zlib.compress(json.dumps(data).encode())).decode()


def handed(**changes: Any) -> list[dict[str, Any]]:
    return [{"exercise": "a", "missing": "", "values": {}, "files": {"a.c": ""}, **changes}]


def exercise(folder: Path, **spec: Any) -> Any:
    folder.mkdir(parents=True)
    (folder / "tests.h").write_text("#define TESTED 1\n")
    return loaded(folder, {"student": {"files": ["a.c"]}, "build": {"sources": ["a.c"]}, **spec}, "a")


@settings(max_examples=25)
@given(FILES, VALUES, st.text(max_size=20))
def test_what_is_sent_arrives(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes], values: Any, why: str
) -> None:
    store = WorkStore(tmp_path_factory.mktemp("work"))
    plain = loaded(Path("/exercises/a"), {}, "a")
    works = [
        Work(ABOUT, plain, store.keep(files), {}, values=values),
        Work(ABOUT, plain, store.keep(files), {}, missing=f"a.c is missing {why}"),
    ]
    assert opened(parcel(works, store)) == [
        Handed("a", files, "", values),
        Handed("a", {}, f"a.c is missing {why}", {}),
    ]


def test_nobody_is_named_in_it(tmp_path: Path) -> None:
    store = WorkStore(tmp_path)
    about = Submission((Student("ada-of-the-roster", name="Ada"),), Path("/handed-in/ada"), "ada.zip")
    text = parcel([Work(about, loaded(Path("/exercises/a"), {}, "a"), store.keep({"a.c": b"x"}), {})], store)
    assert b"ada" not in zlib.decompress(base64.b64decode(text)).lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no base64!",
        base64.b64encode(b"not compressed").decode(),
        written({"exercise": "a"}),
        written(handed(files={"../a.c": ""})),
        written(handed(files={"/etc/passwd": ""})),
        written(handed(files={"a\0.c": ""})),
        written(handed(files={"": ""})),
        written(handed(files={"a.c": 7})),
        written(handed(files={"a.c": "%"})),
        written(handed(files=["a.c"])),
        written(handed(values={"n": []})),
        written(handed(exercise=None)),
        written([{"exercise": "a"}]),
        base64.b64encode(zlib.compress(json.dumps(handed()).encode())[:-4]).decode(),
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="no parcel"):
        opened(text)


def test_one_that_unfolds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MOST_BYTES", 1000)
    with pytest.raises(SpecError, match="too large"):
        opened(written(handed(files={"a.c": "A" * 4000})))


def test_the_work_is_in_its_exercise_and_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISOLAB_SCRATCH", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    lab = _lab(exercise(tmp_path / "a", parameters={"n": {"between": [1, 9]}}, run="./a ${n}"))
    content = base64.b64encode(b"int main(void) {}").decode()
    with with_parcel(lab, written(handed(values={"n": 5}, files={"a.c": content})), "own") as whole:
        (found,) = whole.exercises
        assert (found.folder / "a.c").read_bytes() == b"int main(void) {}"
        assert (found.folder / "tests.h").is_file()
        assert "5" in found.spec.run[0].argv
        assert found.cached == "own"
        folder = found.folder
    assert not folder.exists()


def test_what_is_missing_fails_for_that_reason(tmp_path: Path) -> None:
    lab = _lab(exercise(tmp_path / "a"))
    with with_parcel(lab, written(handed(missing="a.c is missing", files={})), "own") as whole:
        assert [one.not_handed_in for one in whole.exercises] == ["a.c is missing"]


def test_work_on_another_lab_is_refused(tmp_path: Path) -> None:
    lab = _lab(exercise(tmp_path / "a"))
    with (
        pytest.raises(SpecError, match="'b', which is not in the lab"),
        with_parcel(lab, written(handed(exercise="b")), "own"),
    ):
        pass


def _lab(one: Any) -> LoadedLab:
    found = factories.lab({"vm": {"driver": "qemu"}})
    return LoadedLab(found.lab, found.path, (one,))


def test_files_that_were_changed_do_not_travel(tmp_path: Path) -> None:
    store = WorkStore(tmp_path)
    digest = store.keep({"a.c": b"right"})
    (store.place(digest) / "a.c").write_bytes(b"other")
    work = Work(ABOUT, loaded(Path("/exercises/a"), {}, "a"), digest, {"a.c": hashlib.sha256().hexdigest()})
    with pytest.raises(SpecError, match="changed"):
        parcel([work], store)
