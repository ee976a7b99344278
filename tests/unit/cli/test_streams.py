"""The command's streams: full, closed, given up by their readers, in any encoding; and Ctrl-C at any time."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from factories import record
from lab_files import GOOD_LAB, make_folder

from orchestrator.cli import main, streams
from orchestrator.deadline import Deadline
from orchestrator.errors import Exit
from orchestrator.host import process
from orchestrator.host.process import Finished
from orchestrator.paths import ROOT
from orchestrator.record import Status

FORMS = ("text", "markdown", "csv")
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
MAIN = "from orchestrator.cli.main import main; main()"
EVERY_FORM = f"""
import sys
from orchestrator.cli.main import main
for form in {FORMS}:
    sys.argv = ['isolab', 'report', 'run', '--format', form]
    try: main()
    except SystemExit as ended: assert ended.code == 0
    print('= end')
"""


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    line = record("ipc/pipe", status=Status.FAIL, reason="naïve – 日本語").to_json()
    (folder / "records.jsonl").write_text(line + "\n")
    return folder


def shell(line: str, tmp_path: Path, **env: str) -> Finished:
    """Run a command line in which ``isolab`` is this isolab."""
    whole = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "PYTHON"))}
    whole |= {f"ISOLAB_{name}": str(tmp_path / name) for name in ("CACHE", "STATE", "SCRATCH")}
    start = f"isolab() {{ '{sys.executable}' -P -c '{START}{MAIN}' \"$@\"; }}\n"
    argv = ["bash", "-c", start + line]
    return process.run(argv, deadline=Deadline.after(60), env={**whole, **env}, cwd=tmp_path, check=False)


@pytest.mark.parametrize(
    ("command", "where"),
    [("help", ">/dev/full"), ("report run", ">&-"), ("list --format json", ">&-"), ("schema", ">/dev/full")],
)
def test_an_output_that_is_lost_is_an_error_with_its_cause(
    run_folder: Path, tmp_path: Path, command: str, where: str
) -> None:
    reason = {">/dev/full": "No space left on device", ">&-": "Bad file descriptor"}[where]
    done = shell(f"isolab {command} {where}", tmp_path)
    assert done.code == Exit.INFRASTRUCTURE
    assert done.stderr.decode() == f"isolab: cannot write to standard output: {reason}\n"


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "2>&- <&-"])
def test_a_lost_standard_error_changes_nothing_else(run_folder: Path, tmp_path: Path, where: str) -> None:
    done = shell(f"isolab report run --format csv {where}", tmp_path)
    assert (done.code, done.stdout.count(b"ipc/pipe")) == (Exit.PASSED, 1)
    assert shell(f"isolab report nowhere {where}", tmp_path).code == Exit.BAD_INPUT


def test_both_lost_streams_leave_the_exit_code(tmp_path: Path) -> None:
    assert shell("isolab status >&- 2>&-", tmp_path).code == Exit.INFRASTRUCTURE
    assert shell("isolab statsu >&- 2>&-", tmp_path).code == Exit.BAD_INPUT


def test_a_reader_that_leaves_early_changes_no_exit_code(tmp_path: Path) -> None:
    folder = make_folder(tmp_path) / "lab"
    (folder / "lab.yaml").write_text(GOOD_LAB.replace("cpus: 2", "cpus: 0"))
    for command, code in ((f"validate {folder} --format json", 2), ("schema", 0)):
        done = shell(f"isolab {command} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
        assert (done.code, done.stderr) == (code, b"")


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "iso-8859-1"},
        {"PYTHONIOENCODING": "euc_jp"},
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    ],
    ids=str,
)
def test_characters_that_an_encoding_lacks_are_replaced(
    run_folder: Path, tmp_path: Path, env: dict[str, str]
) -> None:
    done = shell(f"'{sys.executable}' -P -c \"{EVERY_FORM}\"", tmp_path, **env)
    assert (done.code, done.stderr) == (Exit.PASSED, b"")
    reports = done.stdout.split(b"= end\n")[:-1]
    assert [b"ipc/pipe" in report for report in reports] == [True] * len(FORMS)


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1", "cp1252"])
def test_verdicts_stay_distinct_in_any_encoding(run_folder: Path, tmp_path: Path, encoding: str) -> None:
    done = shell("isolab report run", tmp_path, PYTHONIOENCODING=encoding)
    legend = re.search(r"(.) pass +(.) fail +(.) error +(.) skip +(.) not run", done.stdout.decode(encoding))
    assert legend is not None
    assert len({*legend.groups()} - {"?"}) == 5


@pytest.mark.parametrize("words", ["validate", ""])
def test_arguments_may_hold_any_bytes(tmp_path: Path, words: str) -> None:
    done = shell(f"isolab {words} $'caf\\xe9\\x01'", tmp_path)
    assert done.code == Exit.BAD_INPUT
    assert b"Traceback" not in done.stderr
    assert b"caf" in done.stderr


@pytest.mark.parametrize("words", ["run", "try", "report", "ssh", "new x"])
def test_every_verb_takes_any_bytes(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As Python makes arguments of bytes that are no characters."""
    monkeypatch.chdir(tmp_path)
    assert main.run(["isolab", *words.split(), os.fsdecode(b"caf\xe9\x01")]) == Exit.BAD_INPUT
    said = capsys.readouterr().err
    assert "unexpected error" not in said
    assert "caf" in said


@pytest.mark.parametrize("words", ["validate", "try", "report", "push vm", "pull vm", "ssh", "no-such-verb"])
def test_no_error_controls_the_terminal(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.run(["isolab", *words.split(), "x\x1b[2J\tx"]) == Exit.BAD_INPUT
    assert "\x1b" not in capsys.readouterr().err


def test_a_current_folder_that_was_removed_is_told(tmp_path: Path) -> None:
    for verb in ("run separation", "new y"):
        done = shell(f"mkdir gone && cd gone && rmdir ../gone && isolab {verb}", tmp_path)
        assert done.code == Exit.BAD_INPUT
        assert b"the current folder no longer exists\n  hint: change to another" in done.stderr


def test_a_report_that_cannot_be_written_is_the_users_or_the_disks(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    for out, code, words in (
        ("/dev/full", Exit.INFRASTRUCTURE, "No space left on device"),
        ("x/y.html", Exit.BAD_INPUT, "there is no folder x\n  hint: create it: mkdir -p x"),
        ("folder", Exit.BAD_INPUT, "Is a directory\n  hint: name another file with --out"),
    ):
        assert main.run(["isolab", "report", "run", "--format", "html", "--out", out]) == code
        assert words in capsys.readouterr().err


def test_a_report_of_no_records_names_the_run(run_folder: Path, tmp_path: Path) -> None:
    (run_folder / "records.jsonl").write_text("")
    done = shell("isolab report run", tmp_path)
    assert done.stdout.startswith(b"run run\n0 exercises on 0 machines")


def test_a_lab_may_lie_in_a_folder_with_any_name(tmp_path: Path) -> None:
    done = shell("isolab new $'caf\\xe9' && isolab validate $'caf\\xe9' && isolab list", tmp_path)
    assert (done.code, done.stderr) == (Exit.PASSED, b"")
    assert b"caf?" in done.stdout


def test_an_empty_entry_of_the_path_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", ":/usr/bin::.:/opt/b:")
    streams.leave_current_folder_out()
    assert os.environ["PATH"] == "/usr/bin:/opt/b"


def test_ctrl_c_while_modules_load_is_silent(tmp_path: Path) -> None:
    """The first module that is loaded after the start presses Ctrl-C."""
    (tmp_path / "invoke").mkdir()
    (tmp_path / "invoke" / "__init__.py").write_text("import os\nos.kill(os.getpid(), 2)\nimport no_such\n")
    done = shell("isolab status", tmp_path, PYTHONPATH=str(tmp_path))
    assert (done.code, done.stdout, done.stderr) == (Exit.INTERRUPTED, b"", b"")


def test_ctrl_c_before_any_module_is_loaded_is_silent(tmp_path: Path) -> None:
    """What the launcher gives Python to run; a site customization presses Ctrl-C."""
    (found,) = re.findall(r"-c '\n(.*?)' \"\$@\"", (ROOT / "isolab").read_text(), re.DOTALL)
    (tmp_path / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 2)\nimport no_such\n")
    argv = [sys.executable, "-P", "-S", "-c", found, "status"]
    # A test run in the background hands down an ignored SIGINT.
    heeding = ["env", "--default-signal=INT", *argv]
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = process.run(heeding, deadline=Deadline.after(60), env=env, check=False)
    assert (done.code, done.stdout, done.stderr) == (Exit.INTERRUPTED, b"", b"")


def test_settings_of_other_programs_that_use_invoke_are_not_read(tmp_path: Path) -> None:
    """None of these could be read without an error."""
    for name in ("invoke.yaml", "invoke.yml", "invoke.json", "invoke.py"):
        (tmp_path / f".{name}").write_text("run: [x\n")
        (tmp_path / name).write_text("run: [x\n")
    (tmp_path / "tasks.py").write_text("run: [x\n")
    settings = {"INVOKE_RUN_ECHO": "1", "INVOKE_TASKS_DEDUPE": "maybe", "INVOKE_DEBUG": "1"}
    runtime = str(tmp_path / ".invoke.yaml")
    done = shell("isolab list", tmp_path, HOME=str(tmp_path), INVOKE_RUNTIME_CONFIG=runtime, **settings)
    assert (done.code, done.stderr) == (Exit.PASSED, b"")
    assert done.stdout.startswith(b"NAME")


def test_an_ignored_ctrl_c_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        main.quiet_interrupts()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert main.run(["isolab", "list", "images"]) == Exit.PASSED
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def broken(*_: object) -> int:
    raise RuntimeError("nobody thought of this")


@pytest.mark.parametrize("writable", [True, False])
def test_what_nobody_foresaw_is_3_with_its_traceback_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], writable: bool
) -> None:
    state = tmp_path / "state"
    if not writable:
        state.write_text("")
    monkeypatch.setenv("ISOLAB_STATE", str(state))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("orchestrator.cli.validate.validate", broken)
    assert main.run(["isolab", "validate", "caf\udce9"]) == Exit.INFRASTRUCTURE
    said = capsys.readouterr().err
    assert said.startswith("isolab: unexpected error: RuntimeError: nobody thought of this\n")
    (file,) = (state / "crashes" if writable else tmp_path).glob("crash-*.txt")
    assert str(file) in said
    assert "isolab validate" in file.read_text()
    assert "in broken" in file.read_text()


def test_what_nobody_foresaw_is_told_even_where_no_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "state").write_text("")
    monkeypatch.setenv("ISOLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "state"))
    monkeypatch.setattr("orchestrator.cli.validate.validate", broken)
    assert main.run(["isolab", "validate", "x"]) == Exit.INFRASTRUCTURE
    assert "in broken" in capsys.readouterr().err
