"""Invoke's program around the tasks in ``tasks.py``, with a command line and help pages of our own.

Invoke holds the verbs and runs them; see docs/adr/0002 and 0026 for what it does not do.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import signal
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from invoke import Collection, Config, Exit, Program, Task
from invoke.parser import ParseResult

from orchestrator import __version__
from orchestrator.arch import host_arch
from orchestrator.cli import completion, help_pages
from orchestrator.cli.grammar import Verb, fill, wants_help
from orchestrator.cli.streams import write_output
from orchestrator.errors import Exit as Code
from orchestrator.errors import SpecError, Unavailable
from orchestrator.paths import ROOT

HELP = frozenset({"-h", "--help", "help"})
VERSION = frozenset({"-V", "--version"})
SCRIPT = "--print-completion-script"
CANDIDATES = "--complete"
"""For the completion scripts: prints what the words that follow it may continue with."""
CHECK = "--check"
"""For the launcher: only says by its exit code whether the words that follow it can be run."""
CAN_RUN = 64
PORTABLE = frozenset({"copy", "list", "new", "report", "schema", "validate"})
"""Verbs that need nothing of Linux."""


class Defaults(Config):
    """Invoke's own defaults and nothing else: its settings files and variables are for other programs."""

    def load_base_conf_files(self) -> None: ...

    def load_shell_env(self) -> None: ...


class Command(Program):
    """Invoke's program: the verbs, and their execution."""

    def __init__(self) -> None:
        super().__init__(
            version=__version__,
            # Invoke takes the help out of tasks as it reads them, and some are of modules that stay loaded.
            namespace=copy.deepcopy(Collection.from_module(load_tasks())),
            name="isolab",
            binary="isolab",
            config_class=Defaults,
        )
        self.create_config()
        assert self.namespace is not None
        self.collection = self.namespace
        self.core = ParseResult()  # of Invoke's own options, of which there are none

    def verbs(self) -> dict[str, Verb]:
        """The verbs by name, in alphabetical order."""
        texts = {name: inspect.getdoc(task) or "" for name, task in self.collection.tasks.items()}
        found = {str(one.name): one for one in self.collection.to_contexts()}
        return {name: Verb(name, texts[name], found[name]) for name in sorted(found)}

    def run_verb(self, verb: Verb) -> int:
        """Execute a verb whose arguments are set; returns the exit code."""
        _load_modules(self.collection[verb.name])
        _heed_interrupts()
        self.tasks = ParseResult([verb.context])
        try:
            self.execute()
        except Exit as finished:
            return int(finished.code)
        return int(Code.PASSED)


def execute(argv: Sequence[str]) -> int:
    """Run the command line ``argv`` (program name first); returns the exit code. Raises LabError."""
    program, words = Command(), list(argv[1:])
    verbs = program.verbs()
    only_check = words[:1] == [CHECK]
    words = words[1:] if only_check else words
    if words[:1] == [CANDIDATES]:
        completion.print_candidates(verbs, words[1:])
        return int(Code.PASSED)
    if page := _page(verbs, words):
        write_output(page)
        return int(Code.PASSED)
    verb = _verb(verbs, words[0])
    fill(verb, words[1:])
    if only_check:
        return CAN_RUN
    _require_host(verb.name)
    return program.run_verb(verb)


def load_tasks() -> ModuleType:
    """Load ``tasks.py`` by path, not by name: a shared environment may have another module called
    ``tasks``."""
    spec = importlib.util.spec_from_file_location("orchestrator.tasks", ROOT / "tasks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _page(verbs: dict[str, Verb], words: list[str]) -> str:
    """The page that the command line asks for: help, version, a completion script; "" if it names a verb
    to run."""
    first, further = (words[0], words[1:]) if words else ("--help", [])
    if first in HELP:
        named = [word for word in further if word not in HELP]
        return help_pages.of_verb(_verb(verbs, named[0])) if named else help_pages.overview(verbs)
    if first in VERSION:
        return f"isolab {__version__}\n"
    if first == SCRIPT or first.startswith(f"{SCRIPT}="):
        shell = first.partition("=")[2] or next(iter(further), "")
        return completion.script(shell)
    if first in verbs and wants_help(verbs[first], further):
        return help_pages.of_verb(verbs[first])
    return ""


def _verb(verbs: dict[str, Verb], name: str) -> Verb:
    """The verb of this name. Raises SpecError with a guess of what was meant."""
    if name in verbs:
        return verbs[name]
    from orchestrator.cli.guess import meant

    what = "option" if name.startswith("-") else "verb"
    raise SpecError(f"unknown {what} {name!r}", hint=meant(name, [*verbs]))


def _load_modules(task: Task[Any]) -> None:
    """Load the modules that a task's body names, while Ctrl-C is still silent."""
    for name in task.body.__code__.co_names:
        if name.startswith("orchestrator."):
            importlib.import_module(name)


def _heed_interrupts() -> None:
    """From here on there may be something to clean up: Ctrl-C is an exception, as usual in Python."""
    if callable(signal.getsignal(signal.SIGINT)):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _require_host(verb: str) -> None:
    """Raise Unavailable on a host where machines cannot run, but for the verbs that work everywhere."""
    if verb in PORTABLE:
        return
    if not sys.platform.startswith("linux"):
        listed = ", ".join(sorted(PORTABLE))
        raise Unavailable(
            f"isolab {verb} needs Linux, and this is {sys.platform}; here work only: {listed}",
            hint="run isolab in a Linux virtual machine (Lima, Multipass, UTM), or on Windows in WSL2",
        )
    host_arch()
