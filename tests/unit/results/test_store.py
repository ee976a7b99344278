"""The folder of a run: each record is safe at once, and what cannot be written is told in time."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from factories import record
from lab_files import GOOD_LAB, load, make_folder

from orchestrator.drivers.model import TAG
from orchestrator.drivers.qemu.emulator import split_tag
from orchestrator.errors import SpecError, Unavailable
from orchestrator.host.tempdirs import RUN_FOLDER
from orchestrator.labfile.load import LoadedLab
from orchestrator.record import RECORDS, Status
from orchestrator.report import write_reports
from orchestrator.results.store import RunStore, load_run, machine_order, new_run_id


@pytest.fixture
def lab(tmp_path: Path) -> LoadedLab:
    return load(make_folder(tmp_path), GOOD_LAB)


def test_a_run_is_named_by_its_beginning_and_some_salt() -> None:
    first, second = new_run_id(), new_run_id()
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-z]{6}", first)
    assert first != second


def test_runs_that_start_in_the_same_second_are_told_apart() -> None:
    assert len({new_run_id() for _ in range(2000)}) == 2000


@pytest.mark.parametrize("run", [new_run_id(), "20260102-030405-0a0b"], ids=["new", "of an older isolab"])
def test_a_run_is_told_from_its_folder_and_tag(run: str) -> None:
    assert RUN_FOLDER.fullmatch(run)
    assert split_tag(f"{TAG}-{run}-a-machine") == (run, "a-machine")


def test_every_record_is_on_disk_before_the_next(tmp_path: Path, lab: LoadedLab) -> None:
    with RunStore(tmp_path / "runs" / "one", lab) as store:
        for number in range(3):
            store.add(record(f"e{number}", status=Status.PASS))
            assert len(load_run(store.folder)) == number + 1


def test_the_lab_as_run_is_kept(tmp_path: Path, lab: LoadedLab) -> None:
    with RunStore(tmp_path / "one", lab) as store:
        assert (store.folder / "lab.yaml").read_text() == GOOD_LAB


def test_reports_tell_of_what_is_there_so_far(tmp_path: Path, lab: LoadedLab) -> None:
    with RunStore(tmp_path / "one", lab) as store:
        write_reports(store.folder, store.comparison())
        store.add(record("ipc/pipes", machine="emulated", status=Status.PASS))
        write_reports(store.folder, store.comparison())
        names = {path.name for path in store.folder.iterdir()}
        assert {"lab.yaml", RECORDS, "report.html", "report.md", "junit.xml"} <= names
        assert "ipc/pipes" in (store.folder / "report.md").read_text()


def test_a_nearly_full_disk_is_refused(
    tmp_path: Path, lab: LoadedLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=5 * 2**20))
    with pytest.raises(Unavailable, match="5 MiB free, 300 MiB needed") as caught:
        RunStore(tmp_path / "one", lab)
    assert "images prune" in caught.value.hint


def test_a_lab_of_somebodys_is_never_replaced(tmp_path: Path, lab: LoadedLab) -> None:
    (tmp_path / "lab.yaml").write_text("lab: mine\n")
    with pytest.raises(SpecError, match="is a lab's folder") as caught:
        RunStore(tmp_path, lab)
    assert "--out" in caught.value.hint
    assert (tmp_path / "lab.yaml").read_text() == "lab: mine\n"
    with pytest.raises(SpecError, match="is a lab's folder"):
        RunStore(lab.path.parent, lab)


def test_a_run_may_take_the_place_of_a_finished_one_and_says_so(tmp_path: Path, lab: LoadedLab) -> None:
    for replaced in (False, True):
        with RunStore(tmp_path / "one", lab) as store:
            assert (store.replaced, load_run(store.folder)) == (replaced, [])
            assert not (store.folder / "report.html").exists()
            store.add(record("a", status=Status.PASS))
            write_reports(store.folder, store.comparison())


def test_an_unfinished_run_is_not_replaced(tmp_path: Path, lab: LoadedLab) -> None:
    with RunStore(tmp_path / "one", lab) as store:
        store.add(record("a", status=Status.PASS))
    with pytest.raises(SpecError, match="unfinished run"):
        RunStore(tmp_path / "one", lab)
    assert len(load_run(tmp_path / "one")) == 1


@pytest.mark.parametrize("finished", [False, True])
def test_a_run_that_is_being_written_is_refused(tmp_path: Path, lab: LoadedLab, finished: bool) -> None:
    with RunStore(tmp_path / "one", lab) as store:
        store.add(record("a", status=Status.PASS))
        if finished:
            write_reports(store.folder, store.comparison())
        with pytest.raises(SpecError, match="another isolab is writing"):
            RunStore(tmp_path / "one", lab)
        assert len(load_run(store.folder)) == 1


@pytest.mark.parametrize("name", ["report.html", "junit.xml", "exercises", "mine"])
def test_what_no_run_made_is_not_replaced(tmp_path: Path, name: str) -> None:
    lab = load(make_folder(tmp_path), GOOD_LAB)
    place = next(iter(lab.lab.machines)) if name == "mine" else name
    (tmp_path / "one" / place).mkdir(parents=True)
    with pytest.raises(SpecError, match="which no run made"):
        RunStore(tmp_path / "one", lab)


def test_other_files_do_not_matter(tmp_path: Path, lab: LoadedLab) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "notes.txt").write_text("mine")
    with RunStore(tmp_path / "one", lab):
        assert (tmp_path / "one" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("below", ["", "one", "one/two"])
def test_a_file_instead_of_a_folder_is_bad_input(tmp_path: Path, lab: LoadedLab, below: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match=r"file is a file, not a folder") as caught:
        RunStore(tmp_path / "file" / below, lab)
    assert "--out" in caught.value.hint


def test_a_place_that_cannot_be_written_is_refused(lab: LoadedLab) -> None:
    with pytest.raises(Unavailable, match=r"cannot write to /proc/one") as caught:
        RunStore(Path("/proc/one"), lab)
    assert "--out" in caught.value.hint


def kept(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / RECORDS).write_text(text)
    return folder


@pytest.mark.parametrize("torn", ["", "{", '{"run": "x', record().to_json()[:-5]])
def test_a_torn_last_line_is_left_out(tmp_path: Path, torn: str) -> None:
    whole = [record("a"), record("b")]
    text = "".join(f"{r.to_json()}\n" for r in whole)
    assert load_run(kept(tmp_path / "run", text + torn)) == whole


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"status": "pass"}', '{"status": "great"}'])
def test_a_damaged_line_before_the_end_is_told(tmp_path: Path, line: str) -> None:
    with pytest.raises(SpecError, match="invalid records"):
        load_run(kept(tmp_path / "run", f"{line}\n{record().to_json()}\n"))


def test_a_folder_that_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="not a run") as caught:
        load_run(tmp_path)
    assert "isolab report last" in caught.value.hint


def test_records_may_be_named_as_a_file(tmp_path: Path) -> None:
    assert load_run(kept(tmp_path / "run", record().to_json()) / RECORDS) == [record()]


MACHINES = "{m: {driver: process}, z: {driver: process}, unused: {driver: process}}"


@pytest.mark.parametrize(
    ("lab", "order"),
    [
        (f"lab: a\nmachines: {MACHINES}\n", ["m", "z", "a"]),
        ("lab: a\n", ["z", "a", "m"]),
        ("machines: [", ["z", "a", "m"]),
        (None, ["z", "a", "m"]),
    ],
    ids=["listed", "none-listed", "damaged", "gone"],
)
def test_machines_come_as_their_lab_lists_them(tmp_path: Path, lab: str | None, order: list[str]) -> None:
    if lab is not None:
        (tmp_path / "lab.yaml").write_text(lab)
    records = [record(machine=name) for name in ("z", "a", "z", "m")]
    assert machine_order(tmp_path, records) == order
    assert machine_order(tmp_path / RECORDS, records) == order
