"""Mistakes in what an exercise expects: observations that nothing prints, values that cannot be.

A program's observations are the keys of the JSON that it prints, and these stand in its sources. A name that
occurs nowhere in them is misspelt, unless the program is not the exercise's own or composes its keys.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from signal import Signals
from typing import Any

from orchestrator.errors import Problem
from orchestrator.labfile.canary_kinds import LABELS, NOT_PLANTED, OUTCOMES, RESERVED, observation
from orchestrator.labfile.check_commands import SKELETON, Available, builds_of
from orchestrator.labfile.models import ANSWERS
from orchestrator.labfile.shared import ABOVE, files_of
from orchestrator.labfile.suggest import ask, did_you_mean, quote
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_document import Path as DataPath

ENDINGS = ("exit_code", "signal", "stdout")
"""Names that every program has, besides its observations."""
_SOLUTION = "solution"
_MOST_BYTES, _MOST_FILES = 2**18, 400
_LISTED = 12
_KEY = re.compile(r"""\\?["']([A-Za-z_][\w.-]*)\\?["']\s*:""")
_WORD = re.compile(r"[A-Za-z0-9_]+")
_LITERAL = re.compile(r'"([A-Za-z_][\w.-]*)"')
_COMPOSED = re.compile(r"""\\?["'](?:\w*%[\d.*l]*[a-z]\w*|\w*\$\{?\w+\}?\w*|\w*\{\w+\}\w*)\\?["']\s*:""")


@dataclass(frozen=True)
class Sources:
    """The text of an exercise's own programs; ``complete`` where no other program prints observations."""

    text: str = ""
    complete: bool = True
    keys: frozenset[str] = field(default=frozenset())

    def mentions(self, name: str) -> bool:
        """Whether ``name`` occurs as a word, or as several with what separates them."""
        if _WORD.fullmatch(name):
            return name in self._words
        return re.search(rf"(?<![A-Za-z0-9_]){re.escape(name)}(?![A-Za-z0-9_])", self.text) is not None

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self.text))

    def suggestion(self, name: str) -> str:
        """What was probably meant, or what the sources print."""
        near = did_you_mean(name, self.keys) or did_you_mean(name, set(_LITERAL.findall(self.text)))
        if near or not self.keys:
            return near
        found = sorted(self.keys)
        more = f" and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
        return f"the sources print: {', '.join(found[:_LISTED])}{more}"

    @property
    def composes(self) -> bool:
        """Whether keys are put together when the program runs."""
        return _COMPOSED.search(self.text) is not None


def sources_of(documents: Iterable[Document], folder: Path, there: Available) -> Sources:
    """Read the sources that these files of an exercise name, the student's as the skeleton and the solution
    have them."""
    names: set[str] = set(there.files)
    everything, complete = False, there.complete and there.sound
    for document in documents:
        data = document.data if isinstance(document.data, dict) else {}
        for build in builds_of(data):
            names |= {*_texts(build.get("sources")), *(ABOVE + name for name in _texts(build.get("headers")))}
            everything = everything or "command" in build
        for name in _texts(data.get("shared")):
            with contextlib.suppress(ValueError, OSError):
                names |= {ABOVE + file for file in files_of(folder, name)}
        complete = complete and all(_is_own(command, there) for command in _commands(data))
    places = [folder / each / name for name in there.students for each in (SKELETON, _SOLUTION, "")]
    places += [folder / name for name in names]
    places += [*folder.glob("*.[ch]"), *folder.glob("*/*.h")]
    places += folder.rglob("*") if everything else ()
    text = "\n".join(_read(path) for path in dict.fromkeys(places[:_MOST_FILES]))
    return Sources(text, complete, frozenset(_KEY.findall(text)))


def observation_problems(document: Document, exercise: Document, sources: Sources) -> Iterator[Problem]:
    """Report names and values in the checks, rows and plots of ``document`` that cannot be. ``exercise`` is
    the exercise file: it says which canaries and host metrics there are."""
    data = document.data if isinstance(document.data, dict) else {}
    asked = exercise.data if isinstance(exercise.data, dict) else {}
    planted = {observation(kind) for kind in _texts(asked.get("canaries")) if kind in LABELS}
    answered = {ANSWERS[one] for one in _texts(asked.get("asks")) if one in ANSWERS}
    where = "" if document is exercise else " in exercise.yaml"
    for path, name, key in _names(data):
        if name in RESERVED - planted:
            kind = next(kind for kind in LABELS if observation(kind) == name)
            words = f"{name} reports a canary that `canaries:`{where} does not list"
            yield document.problem(path, words, f"add it there: canaries: [{kind}]", key=key)
        elif name in set(ANSWERS.values()) - answered:
            ask = next(ask for ask, answer in ANSWERS.items() if answer == name)
            words = f"{name} is measured by the controller, but `asks:`{where} does not request it"
            yield document.problem(path, words, f"add it there: asks: [{ask}]", key=key)
        elif name not in (*ENDINGS, *planted, *answered):
            yield from _unseen(document, path, name, sources, key=key)
    for index, check in enumerate(_mappings(data.get("checks"))):
        yield from _values(document, ("checks", index), check)


def _unseen(
    document: Document, path: DataPath, name: str, sources: Sources, *, key: bool
) -> Iterator[Problem]:
    """Report an observation that nothing prints."""
    if sources.mentions(name):
        return
    near = did_you_mean(name, {*sources.keys, *ENDINGS})
    certain = sources.complete and sources.keys and not sources.composes
    if near or certain:
        words = f"nothing prints {quote(name)}"
        yield document.problem(path, words, near or sources.suggestion(name), key=key)


def _values(document: Document, path: DataPath, check: Mapping[str, Any]) -> Iterator[Problem]:
    """Report expected values that an observation with a fixed set of values never has."""
    name = check.get("that")
    for comparison in ("equals", "not_equals", "one_of"):
        if comparison not in check:
            continue
        value = check[comparison]
        wanted = value if comparison == "one_of" and isinstance(value, list) else [value]
        for place, one in enumerate(wanted):
            where = (*path, comparison, place) if comparison == "one_of" else (*path, comparison)
            message, suggestion = _impossible(str(name), one)
            if message:
                yield document.problem(where, message, suggestion)


def _impossible(name: str, value: object) -> tuple[str, str]:
    """Why an observation never has this value, and what was meant; empty texts if it may."""
    words, suggestion = "", ""
    if name == "signal" and not _is_signal(value):
        words = f"{quote(value)} is not a signal; a program that was not killed has null"
        known = [one.name for one in Signals]
        meant = _numbered(value)
        suggestion = ask(meant) if meant else did_you_mean(f"SIG{value}", known) or did_you_mean(value, known)
    elif name == "exit_code" and value is not None and not (type(value) is int and 0 <= value <= 255):
        words = "expected an exit status: a number from 0 to 255, or null if it was killed"
    elif name == "stdout" and not isinstance(value, str):
        words, suggestion = "expected text, as a program's output is", "put it in quotes"
    elif name in RESERVED and not str(value).startswith(NOT_PLANTED) and value not in OUTCOMES:
        words, suggestion = f"expected one of: {', '.join(OUTCOMES)}", did_you_mean(value, OUTCOMES)
    return words, suggestion


def _numbered(value: object) -> str:
    """Return the name of the signal with this number, alone or as a shell's exit status (128 and more);
    "" if there is none."""
    try:
        number = int(str(value))
        return Signals(number - 128 if number > 128 else number).name
    except ValueError:
        return ""


def _is_signal(value: object) -> bool:
    real_time = re.fullmatch(r"SIGRT(MIN|MAX)([+-]\d+)?|SIG\d+", str(value)) is not None
    return value is None or real_time or value in [one.name for one in Signals]


def _names(data: Mapping[str, Any]) -> Iterator[tuple[DataPath, str, bool]]:
    """Yield every observation that a file names: its place, and whether it is a key there."""
    for index, check in enumerate(_mappings(data.get("checks"))):
        if isinstance(check.get("that"), str):
            yield ("checks", index, "that"), check["that"], False
    shows = data.get("shows")
    for name in shows if isinstance(shows, dict) else ():
        yield ("shows", name), name, True
    for index, plot in enumerate(_mappings(data.get("plots"))):
        shows = plot.get("shows")
        for name in shows if isinstance(shows, dict) else ():
            yield ("plots", index, "shows", name), name, True


def _commands(data: Mapping[str, Any]) -> Iterator[str]:
    run = data.get("run")
    for step in run if isinstance(run, list) else [{"run": run}]:
        command = step.get("run") if isinstance(step, dict) else None
        if isinstance(command, str):
            yield command


def _is_own(command: str, there: Available) -> bool:
    """Whether a command runs a program of the exercise, or a script of it."""
    own = there.programs | there.files | there.students
    return any(word.removeprefix("./") in own for word in command.split()[:2])


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        if path.is_file():
            with path.open("rb") as file:
                return file.read(_MOST_BYTES).decode(errors="replace")
    return ""


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _mappings(value: object) -> list[dict[str, Any]]:
    return [one if isinstance(one, dict) else {} for one in value] if isinstance(value, list) else []
