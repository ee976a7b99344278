"""A lab as one archive: the same bytes for the same lab, and on another host the same lab."""

from __future__ import annotations

import io
import os
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from class_files import write_lab
from factories import lab, loaded

from orchestrator.cli.labs import open_lab
from orchestrator.cluster.bundle import contents as contents_module
from orchestrator.cluster.bundle import is_bundle, load_bundle, pack, unpack
from orchestrator.cluster.bundle.archive import KEPT
from orchestrator.cluster.bundle.specs import to_data
from orchestrator.errors import SpecError
from orchestrator.exercises.parameters import with_example
from orchestrator.exercises.submission import with_work
from orchestrator.host.cache import sha256_file
from orchestrator.labfile.image_catalog import MORE
from orchestrator.labfile.image_recipe import ContainerfileRecipe
from orchestrator.labfile.load import LoadedExercise, LoadedLab, load_lab, with_driver, with_timeout
from orchestrator.labfile.models import Exercise
from orchestrator.labfile.shared import shared_files
from orchestrator.paths import EXERCISES, LABS

CONTAINERFILE = "image: mine\nkind: containerfile\nfolder: context\n"


def there_and_back(found: LoadedLab, tmp_path: Path) -> LoadedLab:
    bundle = pack(found, tmp_path / "bundles")
    folder = tmp_path / bundle.digest
    folder.mkdir()
    unpack(bundle.archive, folder)
    assert is_bundle(folder)
    return load_bundle(folder)


def said(found: LoadedLab) -> Any:
    """All that a lab says, its paths apart."""
    recipes = {name: to_data(one) | {"folder": ""} for name, one in found.recipes.items()}  # type: ignore[arg-type]
    return to_data(found.lab), [_said(one) for one in found.exercises], recipes


def _said(one: LoadedExercise) -> Any:
    return (
        one.name,
        to_data(one.spec),
        to_data(one.hidden) if one.hidden else None,
        _said(one.shown) if one.shown else None,
        one.exact_timeout,
        one.not_handed_in,
        {arch: list(programs) for arch, programs in one.built.items()} if one.built is not None else None,
    )


def content(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


@pytest.mark.parametrize("name", ["network-ipc", "capstone"])
def test_built_in_labs_come_back_as_they_were(name: str, tmp_path: Path) -> None:
    found = load_lab(LABS / name, EXERCISES, host="amd64", images={"micro": 0, "debian": 0})
    back = there_and_back(found, tmp_path)
    assert said(back) == said(found)
    assert back.lab == found.lab
    assert back.path.read_bytes() == found.path.read_bytes()
    for one, other in zip(back.exercises, found.exercises, strict=True):
        assert (one.spec, one.hidden) == (other.spec, other.hidden)
        assert content(one.folder) == content(other.folder)
        for shared in shared_files(other.folder, other.spec.shares):
            assert (one.folder.parent / shared).read_bytes() == (other.folder.parent / shared).read_bytes()
        assert [check.comparison for check in one.spec.checks] == [c.comparison for c in other.spec.checks]


def test_the_same_lab_elsewhere_has_the_same_digest_and_a_changed_one_has_not(tmp_path: Path) -> None:
    write_lab(tmp_path / "one", "own-lab")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "two/sum/sum.c").touch()
    labs = [load_lab(tmp_path / name, EXERCISES) for name in ("one", "two")]
    first, second = (pack(found, tmp_path / "bundles") for found in labs)
    assert first == second
    assert first.digest == sha256_file(first.archive)
    assert first.size == first.archive.stat().st_size
    assert [path.name for path in (tmp_path / "bundles").iterdir()] == [f"{first.digest}.tar"]
    (tmp_path / "two/sum/sum.c").chmod(0o755)
    assert pack(labs[1], tmp_path / "bundles").digest != first.digest


def test_what_was_changed_after_loading_travels(tmp_path: Path) -> None:
    found = with_driver(with_timeout(open_lab("network-ipc"), 7.5), "libvirt")
    back = there_and_back(found, tmp_path)
    assert said(back) == said(found)
    assert {one.spec.timeout for one in back.exercises} == {7.5}


def test_students_work_with_its_hidden_tests_travels(tmp_path: Path) -> None:
    work = tmp_path / "work"
    (tmp_path / "lab.yaml").write_text(
        "lab: own\nmachines: {a: {driver: qemu}}\nexercises: [work/close-the-ends]\n"
    )
    plain = load_lab(tmp_path, EXERCISES)
    (student,) = plain.exercises
    assert student.spec.student
    for name in student.spec.student.files:
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text("int main(void) { return 42; }\n")
    with with_work(plain, work, [student.name]) as (found, _):
        back = there_and_back(found, tmp_path)
        assert said(back) == said(found)
        (there,) = [one for one in back.exercises if one.name == student.name]
        (here,) = [one for one in found.exercises if one.name == student.name]
        assert content(there.folder) == content(here.folder)
    assert "return 42" in (there.folder / student.spec.student.files[0]).read_text()
    assert len(there.public.spec.checks) < len(there.spec.checks)


def test_values_of_parameters_and_small_limits_travel(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    text = {
        "output_limit": "100B",
        "parameters": {"port": {"between": [1, 9]}, "word": {"one_of": ["1", 1]}},
        "checks": [{"that": "a", "equals": {"memory": 5, "other": [1.0, None, True]}}],
    }
    one = with_example(loaded(tmp_path / "x", text, "./x"))
    two = LoadedExercise("./y", tmp_path / "x", loaded(tmp_path / "x", text).spec, not_handed_in="no files")
    found = replace(lab({"a": {"driver": "process"}}), exercises=(one, two))
    back = there_and_back(found, tmp_path)
    assert said(back) == said(found)
    assert back.exercises[1].spec == two.spec
    assert [type(one) for one in back.exercises[1].spec.checks[0].equals["other"]] == [
        float,
        type(None),
        bool,
    ]


def test_a_program_that_was_built_and_reads_a_file_from_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    folder.mkdir()
    for name in ("much-else", "program", "input"):
        (folder / name).write_text(name)
    (folder / "program").chmod(0o700)
    spec = Exercise.model_validate(
        {
            "title": "t",
            "run": [{"run": "./program", "stdin": str(folder / "input")}],
            "build": {"sources": ["a.c"]},
        }
    )
    one = LoadedExercise("x", folder, spec, built={"amd64": {"program": folder / "program"}})
    back = there_and_back(replace(lab({"a": {"driver": "process"}}), exercises=(one,)), tmp_path)
    (there,) = back.exercises
    assert there.built
    program = there.built["amd64"]["program"]
    assert (program.read_text(), program.stat().st_mode & 0o777) == ("program", 0o755)
    assert (there.folder / str(there.spec.run[0].stdin)).read_text() == "input"
    assert not (there.folder / "much-else").exists()


def test_recipes_of_the_lab_and_of_the_user_travel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lab(tmp_path / "own", "own-lab")
    (tmp_path / "own/images/context").mkdir(parents=True)
    (tmp_path / "own/images/context/Containerfile").write_text("FROM scratch\n")
    (tmp_path / "own/images/mine.yaml").write_text(CONTAINERFILE)
    more = tmp_path / "more"
    more.mkdir()
    (more / "theirs.yaml").write_text(f"image: theirs\nkind: oci\nreference: sha256:{'0' * 64}\n")
    (more / "unused.yaml").write_text(f"image: unused\nkind: oci\nreference: sha256:{'1' * 64}\n")
    (tmp_path / "own/lab.yaml").write_text(
        "lab: own-lab\nexercises: [./sum]\nmachines:\n"
        "  a: {driver: container, image: mine}\n  b: {driver: container, image: theirs}\n"
    )
    monkeypatch.setenv(MORE, str(more))
    back = there_and_back(open_lab(str(tmp_path / "own")), tmp_path)
    monkeypatch.delenv(MORE)
    assert sorted(back.recipes) == ["mine", "theirs"]
    mine = back.recipes["mine"]
    assert isinstance(mine, ContainerfileRecipe)
    assert (mine.folder / "Containerfile").read_text() == "FROM scratch\n"


def test_verbs_take_the_folder_of_an_unpacked_bundle(tmp_path: Path) -> None:
    back = there_and_back(with_timeout(open_lab("network-ipc"), 7.5), tmp_path)
    assert open_lab(str(back.path.parent)) == back


def test_archives_of_former_labs_do_not_pile_up(tmp_path: Path) -> None:
    folder = tmp_path / "bundles"
    folder.mkdir()
    for number in range(KEPT + 5):
        old = folder / f"{number:064}.tar"
        old.touch()
        os.utime(old, (number, number))
    (folder / ".packing-killed").touch()
    os.utime(folder / ".packing-killed", (0, 0))
    fresh = folder / f"{'f' * 64}.tar"
    fresh.touch()
    (folder / "notes").touch()
    write_lab(tmp_path / "own", "own-lab")
    bundle = pack(load_lab(tmp_path / "own", EXERCISES), folder)
    left = {path.name for path in folder.iterdir()}
    assert {bundle.archive.name, fresh.name, "notes", f"{KEPT + 4:064}.tar"} <= left
    assert len(left) == KEPT + 1  # with the notes, which are not ours
    assert f"{0:064}.tar" not in left


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lab(tmp_path / "own", "own-lab")
    (tmp_path / "own/sum/disk.img").write_bytes(bytes(3000))
    monkeypatch.setattr(contents_module, "MOST_BYTES", 2999)
    with pytest.raises(SpecError, match=r"the last was in .*/own/sum"):
        pack(load_lab(tmp_path / "own", EXERCISES), tmp_path / "bundles")
    assert not list((tmp_path / "bundles").iterdir())


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../x", tarfile.REGTYPE), ("/x", tarfile.REGTYPE), ("x", tarfile.SYMTYPE), ("x", tarfile.FIFOTYPE)],
)
def test_nothing_is_written_outside_or_but_plain_files(name: str, kind: bytes, tmp_path: Path) -> None:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(member, io.BytesIO())
    (tmp_path / "to").mkdir()
    with pytest.raises(SpecError, match="no bundle"):
        unpack(tmp_path / "b.tar", tmp_path / "to")
    assert not list((tmp_path / "to").iterdir())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"format": 99}', '{"format": 1}', '{"format": 1, "lab": {"lab": 5}}']
)
def test_what_is_no_bundle_of_this_version_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(text)
    with pytest.raises(SpecError, match=r"bundle"):
        load_bundle(tmp_path)


def test_a_damaged_archive(tmp_path: Path) -> None:
    write_lab(tmp_path / "own", "own-lab")
    bundle = pack(load_lab(tmp_path / "own", EXERCISES), tmp_path / "bundles")
    whole = bundle.archive.read_bytes()
    for part in (b"", whole[:700], whole[:512] + bytes(10) + whole[600:], b"x" * 1024):
        bundle.archive.write_bytes(part)
        (tmp_path / "to").mkdir()
        try:
            unpack(bundle.archive, tmp_path / "to")
            load_bundle(tmp_path / "to")
        except SpecError:
            refused = True
        else:
            refused = part == whole
        assert refused
        shutil.rmtree(tmp_path / "to")
