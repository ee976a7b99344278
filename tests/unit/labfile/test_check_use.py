"""Commands that cannot run and expectations that cannot be met are told before anything is started."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lab_files import MARK, make_folder, unmarked, write_exercise
from lab_files import told as problems_told

from orchestrator.errors import SpecError
from orchestrator.labfile.image_recipe import MicroRecipe
from orchestrator.labfile.load import load_exercise, load_kept_exercise, load_lab
from orchestrator.labfile.models import Fact, Feature
from orchestrator.labfile.shell_words import shell_syntax
from orchestrator.paths import ROOT

SOURCE = r'int main(void) { printf("{\"capacity\": %d, \"blocked\": true}\n", 1); }'
PROGRAM = "title: t\nbuild: {sources: [pipes.c]}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_folder(tmp_path)


def told(folder: Path, text: str, source: str = SOURCE, **files: str) -> list[str]:
    """What is told about an exercise with this source and these files (``a_txt`` is ``a.txt``)."""
    place = folder / "mine"
    write_exercise(place)
    for name, content in {**files, "pipes_c": source}.items():
        (place / name.replace("_", ".")).write_text(content)
    plain, places = unmarked(text)
    (place / "exercise.yaml").write_text(plain)
    try:
        load_exercise(place, "mine")
    except SpecError as error:
        found = problems_told(error, place / "exercise.yaml", places)
        assert all(one.startswith(MARK) for one in found) or not places
        return [one.removeprefix(f"{MARK} ") for one in found]
    return []


class TestShell:
    @pytest.mark.parametrize(
        ("command", "part"),
        [
            ("./a | cat", "|"), ("./a > out", ">"), ("./a 2>&1", "2>&1"), ("./a < in", "<"),
            ("./a && ./b", "&&"),
            ("./a; ./b", ";"), ("./a &", "&"), ("./a $HOME", "$HOME"), ("./a ${HOME}", "${HOME}"),
            ('./a "$HOME"', "$HOME"), ("./a $(id)", "$("), ("./a `id`", "`"), ("./a *.txt", "*.txt"),
            ("./a file?", "file?"), ("./a [ab].c", "[ab].c"), ("./a ~/x", "~/x"), ("./a {1..3}", "{1..3}"),
            ("A=1 ./a", "A=1"), ("./a # why", "#"), ("./a\n./b", "\n"), ("(./a)", "("),
        ],
    )  # fmt: skip
    def test_syntax_of_a_shell_is_found(self, command: str, part: str) -> None:
        assert (shell_syntax(command) or ("",))[0] == part

    @pytest.mark.parametrize(
        "command",
        [
            "./a b", "sh -c './a | cat > x; echo $HOME *'", r"./a \* \$x \|", "./a '#' '~' '{a,b}'",
            "./a --x=1", '[ -e "/tmp" ]', "./a a#b x~ {} a,b", "awk '{print $1}' f", './a "a;b"', " ./a \n",
        ],
    )  # fmt: skip
    def test_what_is_quoted_or_plain_is_an_argument(self, command: str) -> None:
        assert shell_syntax(command) is None

    @given(st.text("'\"\\a |$*"))
    def test_any_text_can_be_looked_at(self, command: str) -> None:
        shell_syntax(command)

    @pytest.mark.parametrize(
        ("run", "words"),
        [
            ("./pipes | cat", "'|' is an operator of a shell, and no shell runs "
                              "(to run a shell, write sh -c '…'; quote it if it is meant as it is)"),
            ("./pipes < words", "'<' is an operator of a shell, and no shell runs (use `stdin: FILE`)"),
            ("cd /tmp", "'cd' is a builtin of shells, and no shell runs (run a shell: sh -c \"cd …\")"),
        ],
    )  # fmt: skip
    def test_a_command_for_a_shell_is_a_mistake(self, folder: Path, run: str, words: str) -> None:
        assert told(folder, f"{PROGRAM}run: »{run}\n") == [words]
        assert told(folder, f'{PROGRAM}run: [{{run: ./pipes}}, {{run: »"{run}"}}]\n') == [words]


class TestPrograms:
    def test_one_that_nothing_makes(self, folder: Path) -> None:
        words = "no program './pips': no build makes it, and `files:` does not list it"
        assert told(folder, PROGRAM + "run: »./pips\n") == [f"{words} (did you mean './pipes'?)"]
        words = words.replace("pips", "other")
        assert told(folder, PROGRAM + "run: »./other\n") == [f"{words} (programs: ./pipes)"]
        assert told(folder, PROGRAM + "run: »pipes\n") == [
            "'pipes' is a program of this exercise (write './pipes')"
        ]

    def test_one_that_an_earlier_step_or_a_command_may_make(self, folder: Path) -> None:
        assert told(folder, PROGRAM + "run: [{run: ./pipes}, {run: ./made}]\n") == []
        assert told(folder, "title: t\nbuild: {command: make}\nrun: ./whatever\n") == []

    def test_a_script_that_may_not_be_run(self, folder: Path) -> None:
        text = "title: t\nfiles: [go.sh]\nrun: »./go.sh\n"
        (words,) = told(folder, text, go_sh="#!/bin/sh\n")
        assert words.startswith("'go.sh' is not executable (chmod +x ")
        (folder / "mine/go.sh").chmod(0o755)
        assert told(folder, text, go_sh="#!/bin/sh\n") == []
        (words,) = told(folder, text, go_sh="echo hello\n")
        assert words.startswith("'go.sh' is neither a program nor a script")
        assert told(folder, text.replace("./go.sh", "sh go.sh"), go_sh="echo hello\n") == []

    def test_a_script_that_is_not_copied(self, folder: Path) -> None:
        assert told(folder, "title: t\nfiles: [go.sh]\nrun: »sh g.sh\n", go_sh="true") == [
            "'g.sh' is not in the machine: `files:` does not list it (did you mean 'go.sh'?)"
        ]

    def test_an_input_that_is_not_there(self, folder: Path) -> None:
        text = PROGRAM + "run: [{run: ./pipes, stdin: »word.txt}]\n"
        assert told(folder, text, words_txt="a") == ["no file 'word.txt' (did you mean 'words.txt'?)"]

    def test_a_program_whose_build_is_mistaken_is_not_missed_too(self, folder: Path) -> None:
        (words,) = told(folder, "title: t\nbuild: {sources: [»other.c]}\nrun: ./pipes\n")
        assert words == "no file 'other.c'"

    def test_what_a_run_keeps_needs_no_mode(self, folder: Path) -> None:
        told(folder, "title: t\nfiles: [go.sh]\nrun: ./go.sh\n", go_sh="#!/bin/sh\n")
        assert load_kept_exercise(folder / "mine", "mine").spec.title == "t"


class TestObservations:
    @pytest.mark.parametrize(
        "keys",
        [
            "checks: [{that: »capcity, equals: 1}]",
            "shows: {»capcity: Capacity}",
            "plots: [{title: t, unit: s, shows: {»capcity: Capacity}}]",
        ],
    )
    def test_one_that_is_misspelt(self, folder: Path, keys: str) -> None:
        text = f"{PROGRAM}run: ./pipes\n{keys}\n"
        assert told(folder, text) == ["nothing prints 'capcity' (did you mean 'capacity'?)"]
        assert told(folder, text.replace("capcity", "capacity").replace("»", "")) == []

    def test_one_that_nothing_resembles_is_told_what_there_is(self, folder: Path) -> None:
        text = PROGRAM + "run: ./pipes\nchecks: [{that: »size, equals: 1}]\n"
        assert told(folder, text) == ["nothing prints 'size' (the sources print: blocked, capacity)"]

    @pytest.mark.parametrize(
        ("source", "run"),
        [
            (r'printf("\"%s_size\": %d, \"other\": 1", name, 1);', "./pipes"),
            (SOURCE, "cat /proc/uptime"),
            ("int main(void) { return 0; }", "./pipes"),
        ],
    )
    def test_one_that_may_be_composed_or_comes_from_elsewhere_is_nobodys_mistake(
        self, folder: Path, source: str, run: str
    ) -> None:
        assert told(folder, f"{PROGRAM}run: {run}\nchecks: [{{that: pipe_size, equals: 1}}]\n", source) == []

    @pytest.mark.parametrize(
        ("check", "words"),
        [
            ("that: signal, equals: »SEGV", "is not a signal"),
            ("that: signal, one_of: [SIGINT, »SIGTREM]", "did you mean 'SIGTERM'?"),
            ("that: signal, equals: »11", "did you mean 'SIGSEGV'?"),
            ("that: signal, equals: »139", "did you mean 'SIGSEGV'?"),
            ('that: exit_code, equals: »"0"', "expected an exit status"),
            ("that: exit_code, equals: »256", "expected an exit status"),
            ("that: stdout, equals: »1", "expected text"),
            ("that: file_canary, equals: »untuched", "did you mean 'untouched'?"),
        ],
    )
    def test_values_that_cannot_be(self, folder: Path, check: str, words: str) -> None:
        (found,) = told(folder, f"{PROGRAM}run: ./pipes\ncanaries: [file]\nchecks: [{{{check}}}]\n")
        assert words in found

    def test_values_that_can(self, folder: Path) -> None:
        checks = [
            "{that: signal, equals: null}",
            "{that: signal, equals: SIGRTMIN+1}",
            "{that: exit_code, one_of: [0, 3]}",
            '{that: stdout, equals: ""}',
            '{that: file_canary, equals: "not planted (x)"}',
        ]
        keys = f"canaries: [file]\nchecks: [{', '.join(checks)}]\n"
        assert told(folder, f"{PROGRAM}run: ./pipes\n{keys}") == []

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("memory_bytes", "memory_bytes is measured by the controller, but `asks:` does not request it"
                             " (add it there: asks: [memory])"),
            ("file_canary", "file_canary reports a canary that `canaries:` does not list"
                            " (add it there: canaries: [file])"),
        ],
    )  # fmt: skip
    def test_what_the_controller_observes_must_be_asked_for(
        self, folder: Path, name: str, words: str
    ) -> None:
        for keys in (f"checks: [{{that: »{name}, matches: a}}]", f"shows: {{»{name}: Label}}"):
            assert told(folder, f"{PROGRAM}run: ./pipes\n{keys}\n") == [words]


class TestFixedSets:
    def names(self, kind: Any) -> set[str]:
        return set(kind.__args__)

    def test_features_and_facts_are_those_of_the_runner(self) -> None:
        source = (ROOT / "images/guest/facts.c").read_text()
        values = set(re.findall(r'\\"(\w+)\\": (?:%|\\"%)', source)) - {"landlock"}
        assert values == self.names(Fact)
        tried = {*re.findall(r'feature\("([\w-]+)"', source), "landlock", "cgroup-memory"}
        assert tried == self.names(Feature)

    def test_others_are_mistakes(self, folder: Path) -> None:
        text = (
            f"{PROGRAM}run: ./pipes\nneeds: {{features: [»mqueue]}}\n"
            "checks: [{that: capacity, equals_fact: »machin}]\n"
        )
        feature, fact = told(folder, text)
        assert feature.endswith("(did you mean 'posix-mqueue'?)")
        assert fact.endswith("(did you mean 'machine'?)")


MICRO = MicroRecipe(image="micro", kind="micro", packages={}, applets=["cat", "awk"])
MACHINES = "{m: {driver: qemu}, c: {driver: container}, here: {driver: process}}"
LAB = f"lab: a\nmachines: {MACHINES}\nexercises: [./mine]\n"


class TestInterpreters:
    def lacking(self, folder: Path, text: str, script: str = "#!/usr/bin/env python3\n") -> list[str]:
        write_exercise(folder / "lab/mine", text)
        (folder / "lab/mine/go.py").write_text(script)
        (folder / "lab/mine/go.py").chmod(0o755)
        (folder / "lab/lab.yaml").write_text(LAB)
        try:
            load_lab(folder / "lab", folder / "exercises", host="amd64", contents={"micro": MICRO})
        except SpecError as error:
            return [str(one).removeprefix(f"{folder}/lab/mine/exercise.yaml:") for one in error.problems]
        return []

    def test_what_the_image_lacks_is_told_with_the_machines(self, folder: Path) -> None:
        text = "title: t\nfiles: [go.py]\nrun: ./go.py\n"
        assert self.lacking(folder, text) == [
            "3:6: './go.py' needs python3, which image 'micro' of m or c lacks "
            "(use another image, or needs: {programs: [python3]})"
        ]
        assert self.lacking(folder, text, "#!/bin/sh\n") == []
        assert self.lacking(folder, text + "needs: {programs: [python3]}\n") == []
        assert self.lacking(folder, text + "needs: {boundary: [process]}\n") == []

    def test_a_program_of_the_machine_is_told_as_well(self, folder: Path) -> None:
        text = "title: t\nfiles: [go.py]\nrun: [{run: cat go.py}, {run: /usr/bin/akw x}]\n"
        (words,) = self.lacking(folder, text)
        assert words.startswith("3:31: '/usr/bin/akw x' runs akw, which image 'micro' of m or c lacks")
        assert words.endswith("(did you mean 'awk'?)")
