"""Help pages: all verbs, and one verb with its arguments."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence

from invoke.parser import Argument

from orchestrator.cli.grammar import Verb, metavar, spelling, usage

OVERVIEW = """usage: isolab VERB [ARGUMENTS]     isolab help VERB     isolab --version

{verbs}

exit codes: 0 all passed, 1 an exercise failed, 2 bad input,
            3 infrastructure error (isolab or host), 130 interrupted
completion: isolab --print-completion-script bash (or zsh, fish)
start with: isolab run separation
"""
WIDEST = 110
"""Columns of a page at most: longer lines are hard to read."""


def overview(verbs: Mapping[str, Verb]) -> str:
    """The page that lists every verb with what it does."""
    summaries = {name: verb.text.partition("\n")[0] for name, verb in verbs.items()}
    summaries["help"] = "Explain a verb and its options."
    return OVERVIEW.format(verbs="\n".join(f"  {name:<10} {summaries[name]}" for name in sorted(summaries)))


def of_verb(verb: Verb) -> str:
    """The page of one verb: its usage, what it does, its arguments and options."""
    parts = [f"usage: {usage(verb)}", verb.text]
    if verb.positionals:
        words = [(metavar(one) + ("…" if one.kind is list else ""), one) for one in verb.positionals]
        parts.append(f"arguments:\n{_rows(words)}")
    if verb.options:
        parts.append(f"options:\n{_rows([(_written(one), one) for one in verb.options])}")
    return "\n\n".join(parts) + "\n"


def _written(option: Argument) -> str:
    return f"--{spelling(option)}" + (f" {metavar(option)}" if option.takes_value else "")


def _rows(arguments: Sequence[tuple[str, Argument]]) -> str:
    """Two columns: what to type, and what it means, wrapped to the terminal."""
    width = max(len(words) for words, _ in arguments) + 4
    columns = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    return "\n".join(
        textwrap.fill(
            argument.help or "",
            width=max(columns, width + 20),
            initial_indent=f"  {words}".ljust(width),
            subsequent_indent=" " * width,
            break_on_hyphens=False,
        )
        for words, argument in arguments
    )
