"""The command ``isolab``: Invoke's program around the tasks in ``tasks.py``.

The only place where errors become output and exit codes.
"""

from __future__ import annotations

import importlib.util
import re
import shlex
import sys
from types import ModuleType

from invoke import Collection, Exit, ParseError, Program

from orchestrator import __version__
from orchestrator.errors import Exit as Code
from orchestrator.errors import Interrupted, LabError, SpecError, from_os
from orchestrator.paths import ROOT

HELP = """usage: isolab VERB [ARGUMENTS]     isolab VERB --help     isolab --version

{verbs}

exit codes: 0 all passed, 1 an exercise failed, 2 bad input,
            3 infrastructure error (isolab or host), 130 interrupted
start with: isolab run separation
"""


class Command(Program):
    """Invoke's program with isolab's help page and exit codes."""

    def print_help(self) -> None:
        assert self.namespace is not None
        verbs = sorted((name, task.__doc__ or "") for name, task in self.namespace.tasks.items())
        lines = [f"  {name:<10} {text.strip().splitlines()[0]}" for name, text in verbs]
        sys.stdout.write(HELP.format(verbs="\n".join(lines)))

    def parse_core(self, argv: list[str] | None) -> None:
        keeps_none = sys.dont_write_bytecode
        super().parse_core(_with_help(argv) if argv is not None else None)
        # Invoke sets it so that tasks leave no files; our modules would be recompiled at every start.
        sys.dont_write_bytecode = keeps_none


def _with_help(argv: list[str]) -> list[str]:
    """Translate ``isolab`` and ``isolab VERB … --help`` for Invoke, which would take the latter for an
    argument of the verb."""
    if len(argv) == 1:
        return [*argv, "--help"]
    asked = {"-h", "--help"} & {*argv[2:]} and not argv[1].startswith("-")
    return [argv[0], "--help", argv[1]] if asked else argv


FURTHER = {
    "try": ("args", 1),
    "schema": ("kind", 0),
    "images": ("image", 1),
    "ssh": ("command", 1),
    "push": ("files", 1),
    "pull": ("paths", 1),
    "reset": ("further", 1),
    "down": ("names", 0),
}
"""Verbs that take further words: the option these words become, and how many positional arguments
precede them."""
COMMANDS = frozenset({"ssh"})
"""Verbs where everything after the first further word belongs to it, including options."""
SWITCHES = frozenset({"--all", "--tty"})
"""Options of these verbs that take no value."""


def main() -> None:
    """Run the command and exit."""
    from orchestrator.host import caller

    caller.shed()
    sys.exit(run(sys.argv))


def run(argv: list[str]) -> int:
    """Run the command line ``argv`` (program name first) and return the exit code."""
    argv = gather(argv)
    program = Command(
        version=__version__, namespace=Collection.from_module(_tasks()), name="isolab", binary="isolab"
    )
    try:
        _execute(program, argv)
    except Exit as finished:
        return int(finished.code)
    except LabError as problem:
        return _report(problem)
    except KeyboardInterrupt:
        return _report(Interrupted())
    except BrokenPipeError:  # the reader of our output is gone, as in `isolab … | head`
        sys.stderr.close()
        return int(Code.PASSED)
    except OSError as problem:
        return _report(from_os(problem))
    return int(Code.PASSED)


def _tasks() -> ModuleType:
    """Load ``tasks.py`` by path, not by name: a shared environment may have another module called
    ``tasks``."""
    spec = importlib.util.spec_from_file_location("orchestrator.tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def gather(argv: list[str]) -> list[str]:
    """Turn a verb's further words (`try FILE a b`, `try FILE -- -x`) into one option: Invoke has no
    optional positional arguments."""
    if len(argv) < 3 or argv[1] not in FURTHER:
        return argv
    option, before = FURTHER[argv[1]]
    kept, rest = argv[:2], argv[2:]
    words: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--" or (argv[1] in COMMANDS and len(words) > before):
            words, rest = words + ([] if word == "--" else [word]) + rest, []
        elif word.startswith("--") and "=" not in word and word not in {"--help", *SWITCHES} and rest:
            kept += [word, rest.pop(0)]
        elif word.startswith("-") and len(word) > 1:
            kept.append(word)
        else:
            words.append(word)
    words, further = words[:before], words[before:]
    kept[2:2] = words
    return [*kept, f"--{option}={shlex.join(further)}"] if further else kept


def _execute(program: Command, argv: list[str]) -> None:
    """Do what Program.run does, without exiting."""
    try:
        program.create_config()
        program.parse_core(argv)
        program.parse_collection()
        program.parse_tasks()
        program.parse_cleanup()
    except ParseError as problem:
        hint = "`isolab --help` lists the verbs, `isolab VERB --help` the options of one"
        raise SpecError(_reworded(str(problem)), hint=hint) from None
    program.update_config()
    program.execute()


def _reworded(message: str) -> str:
    """Rephrase the messages of Invoke's parser in the style of isolab's own."""
    message = re.sub(r"^No idea what (.+) is!$", r"unknown verb or option \1", message)
    return re.sub(r"^'(.+)' did not receive required positional arguments: (.+)$", r"\1: missing \2", message)


def _report(problem: LabError) -> int:
    sys.stderr.write(f"isolab: {problem.describe()}\n")
    return int(problem.exit_code)
