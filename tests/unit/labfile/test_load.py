"""Lab and exercise files: what loads, and that every mistake is reported, once, in its place."""

from __future__ import annotations

import subprocess  # noqa: TID251
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lab_files import (
    GOOD_EXERCISE,
    GOOD_LAB,
    load,
    machine_mistakes,
    make_folder,
    mistakes,
    write_exercise,
)

from orchestrator.driver_traits import TRAITS
from orchestrator.errors import Problem, SpecError
from orchestrator.gradebook.policy import policy_schema
from orchestrator.labfile.load import load_exercise, load_lab, with_driver, with_timeout
from orchestrator.labfile.schema import exercise_schema, hidden_schema, image_schema, schema

DRIVER_NAMES = ", ".join(TRAITS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


# What loads


def test_another_driver_is_for_the_virtual_machines_only(folder: Path) -> None:
    lab = load(folder, GOOD_LAB)
    changed = with_driver(lab, "libvirt").lab.machines
    for name, machine in lab.lab.machines.items():
        wanted = "libvirt" if machine.driver == "qemu" else machine.driver
        assert changed[name] == machine.model_copy(update={"driver": wanted})


def test_another_time_limit_is_every_exercises(folder: Path) -> None:
    changed = with_timeout(load(folder, GOOD_LAB), 7.0)
    assert changed.exercises
    assert {exercise.spec.timeout for exercise in changed.exercises} == {7.0}


@pytest.mark.parametrize(
    ("driver", "hint"), [("libvrt", "did you mean 'libvirt'?"), ("process", "available")]
)
def test_another_driver_must_make_virtual_machines(folder: Path, driver: str, hint: str) -> None:
    with pytest.raises(SpecError, match="not a virtual machine driver") as caught:
        with_driver(load(folder, GOOD_LAB), driver)
    assert hint in caught.value.hint


def test_another_driver_for_a_lab_without_virtual_machines_is_a_mistake(folder: Path) -> None:
    text = "lab: a\nmachines: {here: {driver: process}}\nexercises: [ipc/pipes]\n"
    with pytest.raises(SpecError, match="has no effect"):
        with_driver(load(folder, text), "libvirt")


def test_machines_are_complete_and_their_own_keys_win(folder: Path) -> None:
    machines = load(folder, GOOD_LAB).lab.machines
    assert {name: (m.driver, m.arch, m.memory // 2**20, m.cpus) for name, m in machines.items()} == {
        "emulated": ("qemu", "s390x", 512, 1),
        "vm": ("qemu", None, 1024, 2),
        "big": ("qemu", "ppc64el", 512, 1),
    }


def test_the_lab_is_found_by_its_folder_and_by_its_file(folder: Path) -> None:
    by_folder = load(folder, GOOD_LAB)
    by_file = load_lab(folder / "lab/lab.yaml", folder / "exercises", host="amd64")
    assert by_folder == by_file
    assert by_file.path == folder / "lab/lab.yaml"


def test_exercises_are_loaded_in_the_labs_order(folder: Path) -> None:
    loaded = load(folder, GOOD_LAB).exercises
    assert [(e.name, e.folder, e.spec.title) for e in loaded] == [
        ("ipc/signals", folder / "exercises/ipc/signals", "Pipes"),
        ("ipc/pipes", folder / "exercises/ipc/pipes", "Pipes"),
    ]


def test_a_dot_names_an_exercise_beside_the_lab(folder: Path) -> None:
    write_exercise(folder / "lab/mine")
    lab = load(folder, "lab: a\nmachines: {m: {driver: sandbox}}\nexercises: [./mine]\n")
    assert [(e.name, e.folder) for e in lab.exercises] == [("./mine", folder / "lab/mine")]


def test_memory_nobody_spoke_of_is_what_the_architecture_needs(folder: Path) -> None:
    lab = load(folder, "lab: a\nmachines: {m: {driver: qemu, arch: ppc64el}}\nexercises: [ipc/pipes]\n")
    assert lab.lab.machines["m"].memory == 512 * 2**20


# Every mistake at once


TEN_MISTAKES = """\
lab: Ten Mistakes
defaults: {image: mikro, memory: 256MB}
machines:
  process: {driver: process, memroy: 1GiB}
  box: {driver: docker}
  arm: {driver: qemu, arch: aarch64, boot_timeout: 5sec}
  ibm: {arch: s390x, accel: kvm}
  box: {driver: sandbox}
exercises:
  - ipc/pipe
  - ipc/signals
"""


def test_ten_mistakes_are_ten_problems_in_their_places(folder: Path) -> None:
    architectures = "amd64, arm64, armhf, riscv64, ppc64el, s390x, i386, mips64el, mipsel"
    place = str(folder / "lab/lab.yaml")
    expected = [
        (1, 6, "expected a name of at most 40 lower-case letters, digits and dashes, starting with a letter",
         "did you mean 'ten-mistakes'?"),
        (2, 19, "unknown image 'mikro'", "did you mean 'micro'?"),
        (2, 34, "expected a size such as 256MiB (units: B, KiB, MiB, GiB)", "did you mean '256MiB'?"),
        (4, 30, "unknown key 'memroy'", "did you mean 'memory'?"),
        (5, 17, f"expected one of: {DRIVER_NAMES}", "did you mean 'container'?"),
        (6, 29, f"expected one of: {architectures}", "did you mean 'arm64'?"),
        (6, 52, "expected a duration such as 5s (units: ms, s, min, h)", "did you mean '5s'?"),
        (7, 3, "missing key 'driver'", "set it here or under `defaults:`"),
        (8, 3, "duplicate key 'box'; the first is on line 5", ""),
        (10, 5, f"no exercise 'ipc/pipe' in {folder}/exercises", "did you mean 'ipc/pipes'?"),
    ]  # fmt: skip
    with pytest.raises(SpecError) as caught:
        load(folder, TEN_MISTAKES)
    assert caught.value.problems == tuple(Problem(place, *rest) for rest in expected)
    assert caught.value.message == f"10 mistakes in {place}"


def test_mistakes_of_the_lab_and_its_exercises_come_together_in_file_order(folder: Path) -> None:
    write_exercise(folder / "exercises/ipc/pipes", GOOD_EXERCISE + "timeout: 5\n")
    write_exercise(folder / "exercises/ipc/signals", "title: [\n")
    with pytest.raises(SpecError) as caught:
        load(folder, "lab: a\nmachines: {m: {driver: qem}}\nexercises: [ipc/pipes, ipc/signals]\n")
    assert [(problem.file, problem.line, problem.column) for problem in caught.value.problems] == [
        (f"{folder}/exercises/ipc/pipes/exercise.yaml", 4, 10),
        (f"{folder}/exercises/ipc/signals/exercise.yaml", 2, 1),
        (f"{folder}/lab/lab.yaml", 2, 24),
    ]
    assert caught.value.message == "3 mistakes in 3 files"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("»- a\n", ["» expected a mapping (key: value)"]),
        ("lab: a\nmachines: »{}\nexercises: »[]\n", ["» expected at least one entry"] * 2),
        ("»title: []\nlab: a\n",
         ["» missing key 'exercises'", "» missing key 'machines'", "1:8: expected text"]),
        ("lab: a\nmachines: »[m]\nexercises: »ipc/pipes\n",
         ["» expected a mapping (key: value)", "» expected a list"]),
        ("»", ["» the file is empty"]),
        ("lab: »2024\nmachines: {m: {driver: qemu}}\nexercises: [ipc/pipes]\n",
         ["» expected text (put it in quotes)"]),
    ],
)  # fmt: skip
def test_wrong_shapes_are_told_in_plain_words(folder: Path, text: str, expected: list[str]) -> None:
    assert mistakes(folder, text) == expected


def test_consequences_of_a_mistake_of_form_are_not_told(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu, image: »!!python/object:os.system x, »1: 2}")
    assert [text.split(" (")[0] for text in found] == [
        "» the tag '!!python/object:os.system' is not supported",
        "» a key must be text",
    ]


# Defaults


def test_a_bad_default_is_reported_once_where_it_is_written(folder: Path) -> None:
    text = (
        "lab: a\ndefaults: {driver: »qemo, cpus: »0, »imge: micro}\n"
        "machines: {m: {}, n: {}, o: {}}\nexercises: [ipc/pipes]\n"
    )
    assert mistakes(folder, text) == [
        f"» expected one of: {DRIVER_NAMES} (did you mean 'qemu'?)",
        "» expected 1 or more",
        "» unknown key 'imge' (did you mean 'image'?)",
    ]


@pytest.mark.parametrize("defaults", ["{}", "{driver: null}"])
def test_a_driver_must_come_from_somewhere(folder: Path, defaults: str) -> None:
    found = machine_mistakes(folder, "»m: {cpus: 2}", defaults)
    assert found == ["» missing key 'driver' (set it here or under `defaults:`)"]


def test_defaults_that_are_no_mapping_are_told(folder: Path) -> None:
    found = machine_mistakes(folder, "m: {driver: qemu}", "»[qemu]")
    assert found == ["» expected a mapping (key: value)"]


# Finding exercises


def exercises(names: str) -> str:
    return f"lab: a\nmachines: {{m: {{driver: qemu}}}}\nexercises: [{names}]\n"


def test_an_exercise_is_listed_once(folder: Path) -> None:
    found = mistakes(folder, exercises("ipc/pipes, »ipc/pipes"))
    assert found == ["» exercise 'ipc/pipes' is listed twice; first on line 3"]


@pytest.mark.parametrize("name", ["../exercises/ipc/pipes", "/etc", "ipc/../ipc/pipes"])
def test_exercise_names_do_not_climb(folder: Path, name: str) -> None:
    (found,) = mistakes(folder, exercises(f"»{name}"))
    assert found.startswith("» expected an exercise such as ipc/pipe-capacity")


def test_a_link_does_not_lead_out_of_the_exercises(folder: Path) -> None:
    root = folder / "exercises"
    write_exercise(folder / "secret")
    (root / "link").symlink_to(folder / "secret")
    (root / "ipc/signals/exercise.yaml").unlink()
    (root / "ipc/signals/exercise.yaml").symlink_to(root / "ipc/pipes/exercise.yaml")
    assert mistakes(folder, exercises("»link, »ipc/signals")) == [
        f"» exercise 'link' is a link to outside {root}",
        f"» exercise 'ipc/signals' is a link to outside {root / 'ipc/signals'}",
    ]


def test_a_link_to_another_exercise_is_fine(folder: Path) -> None:
    (folder / "exercises/link").symlink_to(folder / "exercises/ipc/pipes")
    assert load(folder, exercises("link")).exercises[0].spec.title == "Pipes"


@pytest.mark.parametrize(("name", "meant"), [("./mime", "./mine"), ("pipes", "ipc/pipes")])
def test_an_exercise_that_is_not_there_may_be_another(folder: Path, name: str, meant: str) -> None:
    write_exercise(folder / "lab/mine")
    (found,) = mistakes(folder, exercises(f"»{name}"))
    assert found.startswith(f"» no exercise '{name}' in ")
    assert found.endswith(f"(did you mean '{meant}'?)")


def test_a_lab_that_is_not_there_says_which_are(folder: Path) -> None:
    load(folder, GOOD_LAB)
    with pytest.raises(SpecError) as caught:
        load_lab(folder / "lap", folder / "exercises")
    assert caught.value.message == f"no lab at {folder}/lap"
    assert caught.value.hint == f"labs here: {folder}/lab"


def test_an_exercise_folder_without_its_file_has_a_hint(folder: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_exercise(folder / "lab", "x")
    assert caught.value.hint == "an exercise is a folder with exercise.yaml"


# Schemas, and the price of importing


def test_the_schema_of_labs_lets_defaults_give_the_driver() -> None:
    result = schema()
    assert result["required"] == ["lab", "machines", "exercises"]
    machine = result["$defs"]["Machine"]
    assert "required" not in machine
    assert machine["properties"]["memory"]["pattern"].endswith("(B|KiB|MiB|GiB)$")
    assert "default" not in machine["properties"]["memory"]


def test_the_lowest_points_across_machines_count_unless_a_lab_says_otherwise(folder: Path) -> None:
    assert load(folder, GOOD_LAB).lab.across == "lowest"
    assert load(folder, f"across: mean\n{GOOD_LAB}").lab.across == "mean"
    assert mistakes(folder, f"across: »highest\n{GOOD_LAB}") == ["» expected one of: lowest, mean"]
    assert schema()["properties"]["across"]["enum"] == ["lowest", "mean"]


def test_the_schema_of_exercises_knows_the_shorthands() -> None:
    properties = exercise_schema()["properties"]
    assert properties["run"]["anyOf"][0] == {"type": "string", "minLength": 1}
    assert properties["build"]["anyOf"][0] == {"$ref": "#/$defs/Build"}
    assert "in" in exercise_schema()["$defs"]["Build"]["properties"]


def test_loading_a_lab_needs_no_heavy_library() -> None:
    code = "import sys, orchestrator.labfile.load; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert loaded & {"yaml", "pydantic"} == {"yaml", "pydantic"}
    assert not loaded & {"paramiko", "rich", "jinja2", "invoke", "debian", "ziglang", "qemu", "distributed"}


@pytest.mark.parametrize("of", [schema, exercise_schema, hidden_schema, image_schema, policy_schema])
def test_the_schema_describes_every_key_in_a_users_words(of: Callable[[], dict[str, Any]]) -> None:
    result = of()
    for model in (result, *result["$defs"].values()):
        for key, about in model.get("properties", {}).items():
            assert about.get("description", "").endswith("."), (model["title"], key)
            assert "``" not in about["description"]
        assert "``" not in model.get("description", "")


def test_the_schema_lists_what_is_a_fixed_set() -> None:
    needs = exercise_schema()["$defs"]["Needs"]["properties"]
    assert "posix-mqueue" in needs["features"]["items"]["enum"]
    fact = exercise_schema()["$defs"]["Check"]["properties"]["equals_fact"]
    assert any("page_size" in option.get("enum", ()) for option in fact["anyOf"])
    assert {kind["$ref"].rsplit("/", 1)[1] for kind in image_schema()["oneOf"]} >= {
        "MicroRecipe",
        "OciRecipe",
    }
