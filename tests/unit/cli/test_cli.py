"""The command: its verbs, its exit codes, and that help is there at once."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from factories import record
from lab_files import GOOD_LAB, make_folder

from orchestrator import __version__
from orchestrator.cli import main
from orchestrator.cli.grammar import fill
from orchestrator.cli.program import Command
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit
from orchestrator.host import process
from orchestrator.paths import LABS, ROOT
from orchestrator.record import Status

VERBS: tuple[str, ...] = (
    "doctor",
    "validate",
    "schema",
    "plan",
    "images",
    "run",
    "try",
    "report",
    "gc",
    "test",
)
VERBS += ("copy", "list", "new", "bench")
VERBS += ("up", "status", "ssh", "push", "pull", "console", "logs", "reset", "ssh-config", "down")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CACHE", "STATE", "SCRATCH"):
        monkeypatch.setenv(f"ISOLAB_{name}", str(tmp_path / name))


def isolab(*words: str) -> int:
    return main.run(["isolab", *words])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("bogus",), "unknown verb 'bogus'"),
        (("--bogus",), "unknown option '--bogus'"),
        (("status", "--bogus"), "status: unknown option --bogus"),
        (("status", "bogus"), "status: unexpected argument 'bogus'"),
        (("try", "a.c", "-o", "vm"), "try: unknown option -o"),
        (("validate",), "validate: LAB is missing"),
        (("run", "separation", "--only"), "run: --only needs a value"),
        (("run", "separation", "--only", ""), "run: --only is empty"),
        (("try", "a.c", "--on="), "try: --on is empty"),
        (("try", ""), "try: FILE is empty"),
        (("run", "separation", "--only", "vm,,s390x"), "run: --only vm,,s390x has an empty name"),
        (("run", "separation", "--cold=yes"), "run: --cold takes no value"),
        (("run", "separation", "--out", "a", "--out", "b"), "run: --out is given twice"),
        (("bench", "--rounds", "many"), "bench: --rounds needs a number, not 'many'"),
        (("help", "bogus"), "unknown verb 'bogus'"),
    ],
)
def test_a_command_line_that_cannot_be_parsed(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert isolab(*words) == Exit.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"isolab: {message}")


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (("rum", "separation"), "'run'"),
        (("exec", "vm"), "'ssh'"),
        (("separation",), "isolab run separation"),
        (("docs/examples/hello.c",), "isolab try docs/examples/hello.c"),
        (("try", "a.c", "-o", "vm"), "--on?"),
        (("try", "a.c", "-v"), "follow --"),
        (("run", "separation", "--onyl", "vm"), "--only"),
        (("help", "stauts"), "'status'"),
        (("--on", "vm"), "options follow the verb"),
        (("list", "lab"), "'labs'"),
        (("--print-completion-script", "tcsh"), "bash, zsh, fish"),
    ],
    ids=str,
)
def test_a_slip_on_the_command_line_gets_a_suggestion(
    words: tuple[str, ...],
    suggestion: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    assert isolab(*words) == Exit.BAD_INPUT
    assert suggestion in capsys.readouterr().err.split("hint:")[1]


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_every_verb_with_what_it_does(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert isolab(*words) == Exit.PASSED
    shown = dict(
        line.split(None, 1) for line in capsys.readouterr().out.splitlines() if line.startswith("  ")
    )
    for verb in VERBS:
        assert shown[verb] == Command().verbs()[verb].text.splitlines()[0]


FRAMEWORK = ("core-opts", "Docstring", "none", "STRING", "task", "[other")
"""Words of Invoke's own help pages."""


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("words", [("{}", "--help"), ("help", "{}"), ("--help", "{}"), ("{}", "-h")], ids=str)
def test_every_verb_explains_itself_and_each_of_its_arguments(
    verb: str, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert isolab(*(word.format(verb) for word in words)) == Exit.PASSED
    page = capsys.readouterr().out
    assert page.startswith(f"usage: isolab {verb} ") or page.startswith(f"usage: isolab {verb}\n")
    assert not [word for word in FRAMEWORK if word in page]
    for argument in Command().verbs()[verb].arguments:
        assert argument.help
        assert f"  --{argument.names[0]}" in page or argument.positional


def test_help_is_shown_even_when_other_words_are_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("run", "--onyl", "vm", "--help") == Exit.PASSED
    assert "usage: isolab run LAB" in capsys.readouterr().out


def test_help_that_belongs_to_a_command_in_a_machine_is_left_to_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert isolab("ssh", "nobody", "ls", "--help") == Exit.BAD_INPUT
    assert isolab("try", "nothing.c", "--", "--help") == Exit.BAD_INPUT
    assert "usage" not in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("--version") == Exit.PASSED
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "words",
    [
        ("frobnicate",),
        ("validate", "--frobnicate"),
        ("--frobnicate",),
        ("validate",),
        ("validate", "no/such/lab"),
        ("plan", "no/such/lab"),
        ("run", "no/such/lab"),
        ("run", str(LABS / "separation"), "--only", "vmm"),
        ("run", str(LABS / "separation"), "--exercise", "ipc/pip"),
        ("run", str(LABS / "separation"), "--format", "xml"),
        ("schema", "--kind", "labb"),
        ("images", "bild"),
        ("images", "list", "--arch", "s390"),
        ("report", "no/such/run"),
        ("doctor", "--format", "xml"),
        ("up", str(LABS / "separation"), "--only", "vmm"),
        ("up", str(LABS / "separation"), "--name", "A B"),
        ("ssh", "nobody"),
        ("push", "nobody"),
        ("push", "nobody", "tasks.py"),
        ("pull", "nobody", "x", "--limit", "much"),
        ("console", "nobody"),
        ("logs", "nobody"),
        ("reset", "nobody"),
        ("down",),
        ("down", "nobody"),
        ("status", "--format", "xml"),
    ],
    ids=" ".join,
)
def test_bad_input_is_2_and_said_on_standard_error(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert isolab(*words) == Exit.BAD_INPUT
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (("run", str(LABS / "separation"), "--only", "vmm"), "vm"),
        (("images", "bild"), "build"),
        (("images", "list", "--arch", "s390"), "s390x"),
    ],
    ids=str,
)
def test_a_slip_gets_a_suggestion(
    words: tuple[str, ...], suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    isolab(*words)
    hint = capsys.readouterr().err.split("hint:")[1]
    assert suggestion in hint


def test_every_mistake_of_a_lab_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_folder(tmp_path) / "lab"
    (folder / "lab.yaml").write_text(GOOD_LAB.replace("cpus: 2", "cpus: 0").replace("title:", "titel:"))
    assert isolab("validate", str(folder)) == Exit.BAD_INPUT
    said = capsys.readouterr().err
    assert f"{folder / 'lab.yaml'}:2:1: " in said
    assert f"{folder / 'lab.yaml'}:6:" in said


def test_a_good_lab_is_valid_in_words_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("validate", str(LABS / "separation")) == Exit.PASSED
    assert "valid" in capsys.readouterr().out
    assert isolab("validate", str(LABS / "separation"), "--format", "json") == Exit.PASSED
    found = json.loads(capsys.readouterr().out)
    assert (found["valid"], found["problems"]) == (True, [])
    assert "vm" in found["machines"]


@pytest.mark.parametrize("kind", ["lab", "exercise"])
def test_schemas_are_json(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("schema", "--kind", kind) == Exit.PASSED
    assert json.loads(capsys.readouterr().out)["type"] == "object"


def test_a_plan_says_whether_the_lab_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("plan", str(LABS / "separation"), "--only", "process,s390x") == Exit.PASSED
    said = capsys.readouterr().out
    assert "s390x" in said
    assert "fits" in said or "short by" in said
    assert ": this host has " in said
    assert isolab("plan", str(LABS / "separation"), "--format", "json") == Exit.PASSED
    assert json.loads(capsys.readouterr().out)["short_by"] >= 0


@pytest.mark.parametrize("form", ["text", "markdown", "html", "junit", "csv", "gradescope", "json"])
def test_a_run_is_reported_in_every_form(
    tmp_path: Path, form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "records.jsonl").write_text(record("ipc/pipe", status=Status.PASS).to_json() + "\n")
    assert isolab("report", str(folder), "--format", form) == Exit.PASSED
    assert "pipe" in capsys.readouterr().out.lower()


def test_a_report_goes_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "records.jsonl").write_text(record(status=Status.PASS).to_json() + "\n")
    assert isolab("report", str(folder), "--format", "csv", "--out", str(tmp_path / "r.csv")) == Exit.PASSED
    assert "ipc/pipe" in (tmp_path / "r.csv").read_text()
    assert isolab("report", str(folder), "--out", str(tmp_path / "no" / "r")) == Exit.BAD_INPUT


def test_no_images_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert isolab("images", "list") == Exit.PASSED
    assert "no images" in capsys.readouterr().out


def test_trouble_with_files_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> int:
        raise PermissionError(13, "Permission denied", "/secret")

    monkeypatch.setattr("orchestrator.cli.validate.validate", broken)
    assert isolab("validate", "x") == Exit.INFRASTRUCTURE
    assert "/secret: Permission denied" in capsys.readouterr().err


def test_ctrl_c_is_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("orchestrator.cli.validate.validate", interrupted)
    assert isolab("validate", "x") == Exit.INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_help_loads_nothing_heavy() -> None:
    """Of yaml only Invoke, which brings its own, takes a part."""
    script = (
        "import sys; from orchestrator.cli import main as cli\n"
        "assert cli.run(['isolab', '--help']) == 0\n"
        "heavy = {'pydantic', 'rich', 'paramiko', 'jinja2', 'cryptography', 'debian'}\n"
        "ours = [m for m in sys.modules if m.startswith('orchestrator.labfile')]\n"
        "print(*sorted(heavy & set(sys.modules)), *ours, file=sys.stderr)"
    )
    done = process.run([sys.executable, "-c", script], deadline=Deadline.after(60))
    assert b"separation" in done.stdout
    assert done.stderr.strip() == b""


@pytest.mark.parametrize(
    ("typed", "understood"),
    [
        (["try", "a.c"], {"path": "a.c", "args": []}),
        (["try", "a.c", "one", "two words"], {"args": ["one", "two words"]}),
        (["try", "a.c", "", "x"], {"args": ["", "x"]}),
        (["try", "--on", "vm", "a.c", "x"], {"on": ["vm"], "path": "a.c", "args": ["x"]}),
        (["try", "a.c", "x", "--on=vm,s390x"], {"on": ["vm", "s390x"], "args": ["x"]}),
        (["try", "a.c", "--on", "vm", "--on", "s390x"], {"on": ["vm", "s390x"]}),
        (["try", "a.c", "--", "--on", "-x"], {"args": ["--on", "-x"], "on": []}),
        (["try", "a.c", "--st", "x"], {"stdin": "x"}),
        (["schema", "exercise"], {"kind": "exercise"}),
        (["schema", "--kind", "exercise"], {"kind": "exercise"}),
        (["images", "build", "debian", "--arch", "amd64"], {"names": ["debian"], "arch": ["amd64"]}),
        (["images", "build", "--image", "a,b"], {"image": ["a", "b"], "names": []}),
        (["ssh", "vm"], {"name": "vm", "command": []}),
        (["ssh", "vm", "ls", "-l", "--user"], {"command": ["ls", "-l", "--user"], "user": "student"}),
        (["ssh", "--user", "root", "vm", "--", "ls", "-l"], {"user": "root", "command": ["ls", "-l"]}),
        (["ssh", "vm", "--user", "root", "ls", "--", "x"], {"user": "root", "command": ["ls", "--", "x"]}),
        (["ssh", "--tty", "vm", "a b;c"], {"tty": True, "command": ["a b;c"]}),
        (["push", "vm", "a b", "c"], {"name": "vm", "files": ["a b", "c"]}),
        (["push", "vm", "--", "-a"], {"files": ["-a"]}),
        (["pull", "vm", "a", "--limit", "2GiB"], {"paths": ["a"], "limit": "2GiB"}),
        (["reset", "a", "b"], {"name": "a", "further": ["b"]}),
        (["down", "--all"], {"names": [], "all": True}),
        (["down", "a", "s/b"], {"names": ["a", "s/b"]}),
        (["bench", "--rounds", "7"], {"rounds": 7}),
        (["run", "a", "--only", "caf\udce9"], {"only": ["caf\udce9"]}),
    ],
    ids=str,
)
def test_a_command_line_is_read_as_getopt_does(typed: list[str], understood: dict[str, object]) -> None:
    verb = Command().verbs()[typed[0]]
    fill(verb, typed[1:])
    values = verb.context.as_kwargs
    assert {name: values[name] for name in understood} == understood


def test_a_command_line_means_the_same_when_posixly_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    verb = Command().verbs()["try"]
    fill(verb, ["a.c", "x", "--on", "vm"])
    assert verb.context.as_kwargs["on"] == ["vm"]
