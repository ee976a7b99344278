"""Mistakes in an exercise's parameters, and in what has placeholders."""

from __future__ import annotations

from pathlib import Path

import pytest
from lab_files import exercise_mistakes, told, unmarked, write_exercise

from orchestrator.errors import SpecError
from orchestrator.labfile.load import load_exercise
from orchestrator.labfile.schema import exercise_schema

START = "title: a\nbuild: {sources: [pipes.c]}\n"
PORT = f"{START}parameters: {{port: {{between: [1, 9]}}}}\n"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("»{}", "expected exactly one of: between, one_of, hex, value"),
        ("»{hex: 1, one_of: [1, 2]}", "expected exactly one of: between, one_of, hex, value"),
        ("{between: »[9, 1]}", "expected the smaller number first: [1, 9]"),
        ("{between: »[9, 9]}", "expected a choice; every student would have 9"),
        ("{between: »[1]}", "expected two whole numbers such as [20000, 29999]"),
        ("{between: »[1, true]}", "expected two whole numbers such as [20000, 29999]"),
        ('{between: »["1", 2]}', "expected two whole numbers such as [20000, 29999]"),
        ("{between: »1}", "expected two whole numbers such as [20000, 29999]"),
        (
            "{between: »[0, 9007199254740992]}",
            "expected numbers from -9007199254740991 to 9007199254740991",
        ),
        ("{one_of: »[a]}", "expected a list of two values or more"),
        ("{one_of: »[a, b, a]}", "expected different values; 'a' is there twice"),
        (
            "{one_of: »[a, 1.5]}",
            "expected values that are each a whole number, or a line of at most 200 printable characters",
        ),
        ("{hex: »0}", "expected 1 or more"),
        ("{hex: »65}", "expected 64 or less"),
        ("{»betwen: [1, 2]}", "unknown key 'betwen' (did you mean 'between'?)"),
    ],
)
def test_a_parameter_that_cannot_be_derived(tmp_path: Path, how: str, words: str) -> None:
    found = exercise_mistakes(tmp_path, f"{START}run: ./pipes ${{port}}\nparameters:\n  port: {how}\n")
    assert f"» {words}" in found


def test_the_name_of_a_parameter(tmp_path: Path) -> None:
    found = exercise_mistakes(
        tmp_path, f"{START}run: './pipes ${{My-Port}}'\nparameters: {{»My-Port: {{hex: 1}}}}\n"
    )
    words = "expected a name of at most 40 lower-case letters, digits and _, starting with a letter"
    assert found == [f"» {words} (did you mean 'my_port'?)"]


@pytest.mark.parametrize(
    "rest",
    [
        "run: »./pipes ${port} ${prot}\n",
        "run: [{run: ./pipes}, {run: »'./pipes \"${port}-${prot}\"'}]\n",
        'run: ./pipes ${port}\nchecks: [{that: exit_code, equals: »"${prot}"}]\n',
        'run: ./pipes ${port}\nchecks: [{that: exit_code, one_of: »[1, "${prot}"]}]\n',
        'run: ./pipes ${port}\nchecks: [{that: stdout, not_equals: »"a ${prot}"}]\n',
        'run: ./pipes ${port}\nchecks: [{that: stdout, matches: »"^${prot}"}]\n',
        'run: ./pipes ${port}\nchecks: [{that: stdout, equals: a, why: »"${prot}"}]\n',
    ],
)
def test_a_placeholder_of_no_parameter(tmp_path: Path, rest: str) -> None:
    (found,) = (
        one
        for one in exercise_mistakes(tmp_path, PORT + rest)
        if "exit status" not in one  # told as well, of the placeholder that has no value
    )
    assert found == "» no parameter 'prot' (did you mean 'port'?)"


def test_a_shells_variable_is_told_how_to_be_one(tmp_path: Path) -> None:
    found = exercise_mistakes(tmp_path, f"{PORT}run: »sh -c 'echo ${{HOME}} ${{port}}'\n")
    advice = "(parameters: port; for the characters themselves write $${HOME})"
    assert found == [f"» no parameter 'HOME' {advice}"]
    write_exercise(tmp_path / "good", f"{PORT}run: sh -c 'echo $${{HOME}} ${{port}}'\n")
    assert load_exercise(tmp_path / "good", "good")


def test_a_parameter_of_no_use(tmp_path: Path) -> None:
    found = exercise_mistakes(tmp_path, f"{START}run: ./pipes\nparameters: {{»port: {{hex: 2}}}}\n")
    advice = "(write ${port} in a command, or leave the parameter out)"
    assert found == [f"» no step or check uses the parameter 'port' {advice}"]


def test_values_are_checked_where_only_some_are_possible(tmp_path: Path) -> None:
    checks = 'checks: [{that: exit_code, equals: "${status}"}, {that: signal, equals: "${signal}"}]\n'
    chosen = "parameters: {status: {between: [3, 9]}, signal: {one_of: [SIGTERM, SIGHUP]}}\n"
    write_exercise(tmp_path / "good", f"{START}run: ./pipes\n{chosen}{checks}")
    assert load_exercise(tmp_path / "good", "good")


def test_without_parameters_a_shells_variable_is_one(tmp_path: Path) -> None:
    write_exercise(tmp_path / "good", f"{START}run: sh -c 'echo ${{HOME}}'\n")
    assert load_exercise(tmp_path / "good", "good")
    (found,) = exercise_mistakes(tmp_path, f"{START}run: »./pipes ${{HOME}}\n")
    assert found.startswith("» '${HOME}' is replaced by a shell, and no shell runs")


def test_hidden_tests_use_the_parameters_of_the_exercise(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_exercise(folder, f"{PORT}run: ./pipes\nstudent: {{files: [pipes.c]}}\n")
    text = 'run: ./pipes ${port}\nchecks: [{that: stdout, equals: »"${prot}"}]\n'
    plain, places = unmarked(text)
    (folder / "hidden.yaml").write_text(plain)
    with pytest.raises(SpecError) as caught:
        load_exercise(folder, "mine")
    found = told(caught.value, folder / "hidden.yaml", places)
    assert "» no parameter 'prot' (did you mean 'port'?)" in found
    assert not [one for one in found if "no step or check uses" in one], "the hidden step does"


def test_a_readme_with_a_misspelt_parameter(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    write_exercise(folder, f"{PORT}run: ./pipes ${{port}}\n")
    (folder / "README.md").write_text("# Port\n\nUse ${port}, or ${prot}, or ${HOME}.\n")
    with pytest.raises(SpecError) as caught:
        load_exercise(folder, "mine")
    words = "no parameter 'prot' (did you mean 'port'?)"
    assert [str(one) for one in caught.value.problems] == [f"{folder}/README.md:3:17: {words}"]


def test_the_schema_says_what_values_may_be() -> None:
    keys = exercise_schema()["$defs"]["Parameter"]["properties"]
    assert {name for name in keys} == {"between", "one_of", "hex", "value"}
