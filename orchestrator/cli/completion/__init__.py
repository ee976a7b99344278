"""Completion in shells: the scripts to source, and the candidates they ask for.

The scripts know nothing of verbs and labs. They pass the words typed so far to ``isolab --complete``, which
prints one candidate a line, with a tab and its meaning after it; nothing where names of files are meant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from orchestrator.cli.completion.values import Candidates, known
from orchestrator.cli.grammar import COMMANDS, Verb, is_optional, spelling
from orchestrator.cli.streams import write_output
from orchestrator.errors import SpecError

SHELLS = ("bash", "zsh", "fish")


def script(shell: str) -> str:
    """The script that makes a shell complete isolab's command lines. Raises SpecError for other shells."""
    if shell not in SHELLS:
        raise SpecError(
            f"no completion for shell {shell!r}" if shell else "--print-completion-script needs a shell",
            hint=f"shells: {', '.join(SHELLS)}",
        )
    return Path(__file__).with_name(f"isolab.{shell}").read_text(encoding="utf-8")


def print_candidates(verbs: Mapping[str, Verb], words: Sequence[str]) -> None:
    """Print what the last word may become; the words before it are complete. Silent when anything fails."""
    with suppress(Exception):
        found = candidates(verbs, words)
        write_output("".join(f"{word}\t{meaning}\n" for word, meaning in found))


def candidates(verbs: Mapping[str, Verb], words: Sequence[str]) -> list[tuple[str, str]]:
    """What the last of these words, which may be empty, may become."""
    *before, word = _joined(words) or [""]
    if not before or (before == ["help"]):
        return _beginning(word, [*_summaries(verbs), *([] if before else [("help", "Explain a verb.")])])
    verb = verbs.get(before[0])
    if verb is None or "--" in before:
        return []
    return _of_verb(verb, before[1:], word)


def _joined(words: Sequence[str]) -> list[str]:
    """The words with ``--on`` ``=`` ``vm``, as bash splits them, as ``--on`` ``vm``."""
    found = [word for place, word in enumerate(words) if word != "=" or place + 1 == len(words)]
    return [*found[:-1], ""] if found[-1:] == ["="] else found


def _summaries(verbs: Mapping[str, Verb]) -> list[tuple[str, str]]:
    return [(name, verb.text.partition("\n")[0]) for name, verb in verbs.items()]


def _of_verb(verb: Verb, before: Sequence[str], word: str) -> list[tuple[str, str]]:
    typed = _typed(verb, before)
    if typed is None:
        return []
    previous = verb.option(before[-1].removeprefix("--")) if before and before[-1].startswith("--") else None
    if previous is not None and previous.takes_value:
        return _listed(word, known(verb, spelling(previous), typed))
    if word.startswith("--") and "=" in word:
        name, _, value = word.partition("=")
        found = _listed(value, known(verb, name.removeprefix("--"), typed))
        return [(f"{name}={one}", meaning) for one, meaning in found]
    if word.startswith("-"):
        unused = [one for one in verb.options if f"--{spelling(one)}" not in before]
        options = [(f"--{spelling(one)}", one.help or "") for one in unused]
        return _beginning(word, [*options, ("--help", "Explain this verb.")])
    place = next((one for one in verb.positionals if one.kind is list or spelling(one) not in typed), None)
    return _beginning(word, known(verb, spelling(place), typed)) if place else []


def _typed(verb: Verb, before: Sequence[str]) -> dict[str, str] | None:
    """The positional arguments so far, by name; None inside a command, which is not ours to complete."""
    plain: list[str] = []
    waits = False
    for word in before:
        option = verb.option(word.removeprefix("--")) if word.startswith("--") else None
        if not waits and not word.startswith("-"):
            plain.append(word)
        waits = not waits and option is not None and option.takes_value
    if verb.name in COMMANDS and len(plain) > sum(not is_optional(one) for one in verb.positionals):
        return None
    return {spelling(one): word for one, word in zip(verb.positionals, plain, strict=False)}


def _beginning(word: str, possible: Candidates) -> list[tuple[str, str]]:
    return [(one, " ".join(meaning.split())) for one, meaning in possible if one.startswith(word)]


def _listed(word: str, possible: Candidates) -> list[tuple[str, str]]:
    """Candidates for the last name of a list with commas, after the names before it, none of them twice."""
    head, comma, last = word.rpartition(",")
    there = head.split(",")
    return [(head + comma + one, meaning) for one, meaning in _beginning(last, possible) if one not in there]
