"""``isolab class handout``: whom it writes for, where, and what it says."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from handed_out import write_lab

from orchestrator.classes.gateway.keys import host_key_fingerprint
from orchestrator.classes.load import load_class
from orchestrator.classes.web.certificate import certificate_of
from orchestrator.classes.web.tokens import Tokens
from orchestrator.cli.classes.handout import act
from orchestrator.cli.classes.options import ClassOptions
from orchestrator.errors import Exit, SpecError
from orchestrator.exercises.parameters import values
from orchestrator.grading.keys import course_key, signing_key
from orchestrator.paths import state_dir


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    place = tmp_path / "class"
    place.mkdir()
    (place / "class.yaml").write_text(
        "class: one\n"
        "machines: {desk: {driver: qemu, image: debian, memory: 512MiB}, peer: {driver: qemu}}\n"
        "shared: {server: {driver: qemu}}\n"
        'access: {host: lab.uni.example, listen: "0.0.0.0:2222"}\n'
    )
    (place / "roster.csv").write_text("id,name,group\ns1,Ada,red\ns2,Bo,red\ns3,Cy,blue\n")
    return place


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "handouts").iterdir())


def test_everybody_gets_a_page_beside_the_class_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert act(load_class(folder), (), ClassOptions()) is Exit.PASSED
    pages = [f"{name}.{form}" for name in ("s1", "s2", "s3") for form in ("html", "md")]
    assert written(folder) == ["handouts.csv", *pages]
    said = capsys.readouterr().out
    assert "3 pages" in said
    assert "only you can read them" in said


def test_each_machine_has_its_line_and_only_a_whole_debian_has_tools(folder: Path) -> None:
    act(load_class(folder), (), ClassOptions(students=("s1",)))
    page = (folder / "handouts" / "s1.md").read_text()
    for user in ("lab", "peer", "server"):
        assert f"`ssh -p 2222 {user}@lab.uni.example`" in page
    assert "scp -P 2222" in page
    assert "isolab connect desk" in page
    assert "isolab connect peer" not in page


def test_a_class_with_a_web_server_has_a_link_for_each_until_its_end(folder: Path) -> None:
    file = folder / "class.yaml"
    web = 'listen: "0.0.0.0:2222", web: "0.0.0.0:8443"'
    text = file.read_text().replace('listen: "0.0.0.0:2222"', web)
    file.write_text(text + "ends: 2099-06-01T18:00+08:00\n")
    found = load_class(folder)
    act(found, (), ClassOptions())
    with (folder / "handouts" / "handouts.csv").open() as table:
        rows = list(csv.DictReader(table))
    tokens = Tokens(found)
    for row in rows:
        link = row["link"]
        assert link.startswith("https://lab.uni.example:8443/s/")
        entered = tokens.enter(link.rpartition("/")[2])
        assert entered
        assert (entered[1].who, entered[1].expires.year) == (row["id"], 2099)
        assert link in (folder / "handouts" / row["page"]).read_text()
    assert {row["certificate"] for row in rows} == {certificate_of(found).fingerprint}
    assert {row["fingerprints"] for row in rows} == {host_key_fingerprint(found)}
    assert (folder / "handouts" / "s1.md").read_text().count(certificate_of(found).fingerprint) == 1


def test_without_a_web_server_there_is_no_link(folder: Path) -> None:
    act(load_class(folder), (), ClassOptions(students=("s1",)))
    page = (folder / "handouts" / "s1.md").read_text()
    assert "browser" not in page
    assert "Keep this page to yourself" not in page


def test_some_of_the_class_into_another_folder(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ClassOptions(groups=("red",), form="json", out=str(tmp_path / "out"))
    assert act(load_class(folder), (), options) is Exit.PASSED
    said = json.loads(capsys.readouterr().out)
    assert [*said["pages"]] == ["s1", "s2"]
    assert Path(said["table"]) == tmp_path / "out" / "handouts" / "handouts.csv"
    with Path(said["table"]).open() as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["s1", "s2"]
    assert not (folder / "handouts").exists()


def test_who_left_is_told_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    act(load_class(folder), (), ClassOptions())
    roster = folder / "roster.csv"
    roster.write_text(roster.read_text().replace("s3,Cy,blue\n", ""))
    act(load_class(folder), (), ClassOptions())
    assert "for you to delete: s3.html" in capsys.readouterr().out


def test_what_it_has_no_use_for_is_refused(folder: Path) -> None:
    found = load_class(folder)
    for options, further in ((ClassOptions(watch=True), ()), (ClassOptions(), ("s1",))):
        with pytest.raises(SpecError, match=r"has no|does not take"):
            act(found, further, options)
    assert not (folder / "handouts").exists()


def test_values_are_derived_from_the_key_that_grading_uses(folder: Path) -> None:
    write_lab(folder / "lab")
    file = folder / "class.yaml"
    file.write_text(file.read_text() + "labs: [{lab: lab}]\n")
    found = load_class(folder)
    act(found, (), ClassOptions(students=("s1",)))
    (exercise,) = found.labs[0].lab.exercises
    own = values(exercise.spec, exercise.name, "s1", course_key(signing_key(state_dir())))
    assert f"| one | `port` | `{own['port']}` |" in (folder / "handouts" / "s1.md").read_text()
