"""Reads a verb's words into the arguments of its Invoke task.

Options are long, as getopt_long(3) has them: ``--on x``, ``--on=x``, a unique beginning of the name, before
or after the other words; ``--`` ends them. The only short one is ``-h``. Why not Invoke's own parser:
docs/adr/0026.
"""

from __future__ import annotations

import getopt
from collections.abc import Collection as Names
from collections.abc import Sequence
from dataclasses import dataclass

from invoke.parser import Argument, ParserContext

from orchestrator.errors import SpecError

COMMANDS = frozenset({"ssh"})
"""Verbs whose further words are a command with options of its own: nothing after its first word is ours."""
PROGRAMS = frozenset({"try"})
"""Verbs whose further words are a program's arguments, which may begin with a dash."""
ANY_TEXT = frozenset({("try", "args"), ("ssh", "command"), ("test", "args")})
"""Arguments that are handed on as they are, even if empty."""


@dataclass(frozen=True)
class Verb:
    """A verb's name and arguments, as its Invoke task declares them; ``text`` is the task's docstring."""

    name: str
    text: str
    context: ParserContext

    @property
    def arguments(self) -> tuple[Argument, ...]:
        """All of them; the positional ones first, in their order."""
        return tuple(self.context.args.values())

    @property
    def positionals(self) -> tuple[Argument, ...]:
        return tuple(one for one in self.arguments if one.positional)

    @property
    def options(self) -> tuple[Argument, ...]:
        """The others."""
        return tuple(one for one in self.arguments if not one.positional)

    @property
    def named(self) -> tuple[Argument, ...]:
        """What can be written ``--name``: the options, and positional arguments of one word."""
        return tuple(one for one in self.arguments if not (one.positional and one.kind is list))

    def option(self, name: str) -> Argument | None:
        """The argument written ``--name``; None if there is none."""
        return next((one for one in self.named if spelling(one) == name), None)


def spelling(argument: Argument) -> str:
    """The name of an argument as people type it, without dashes: ``authorized-key``."""
    return str(argument.names[0])


def is_optional(argument: Argument) -> bool:
    """Whether a positional argument may be left out."""
    return argument.kind is list or argument.default is not None


def fill(verb: Verb, words: Sequence[str]) -> None:
    """Set the values of the verb's arguments from what follows it on the command line. Raises SpecError."""
    options, rest = _split(verb, list(words))
    for name, text in options:
        argument = verb.option(name)
        assert argument is not None
        if argument.kind is not list and argument.got_value:
            raise SpecError(f"{verb.name}: --{name} is given twice", hint=usage_hint(verb))
        _set(verb, argument, f"--{name}", text)
    _set_positionals(verb, rest)


def wants_help(verb: Verb, words: Sequence[str]) -> bool:
    """Whether ``-h`` or ``--help`` is among the verb's own words, even if others are wrong."""
    if verb.name in COMMANDS:
        try:
            return any(name == "help" for name, _ in _split(verb, list(words), helping=True)[0])
        except SpecError:
            return False
    own = words[: words.index("--")] if "--" in words else words
    return bool({"-h", "--help"} & {*own})


def _split(verb: Verb, words: list[str], helping: bool = False) -> tuple[list[tuple[str, str]], list[str]]:
    """Separate options, by name and value, from the other words."""
    names = [spelling(one) + ("=" if one.takes_value else "") for one in verb.named]
    names += ["help"] if helping else []
    found: list[tuple[str, str]] = []
    rest: list[str] = []
    after: list[str] = []
    command = verb.name in COMMANDS
    if not command and "--" in words:
        end = words.index("--")
        words, after = words[:end], words[end + 1 :]
    while words:
        options, words = _getopt(verb, words, names)
        found += [("help" if name == "-h" else name.removeprefix("--"), text) for name, text in options]
        if command and len(rest) >= sum(not is_optional(one) for one in verb.positionals):
            return found, [*rest, *words]
        rest, words = rest + words[:1], words[1:]
    return found, [*rest, *after]


def _getopt(verb: Verb, words: list[str], names: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Take the options at the beginning of ``words``, saying in our words what is wrong with one."""
    try:
        return getopt.getopt(words, "h" if "help" in names else "", names)
    except getopt.GetoptError as problem:
        raise _wrong_option(verb, problem) from None


def _wrong_option(verb: Verb, problem: getopt.GetoptError) -> SpecError:
    written = ("--" if len(problem.opt) > 1 else "-") + problem.opt
    argument = verb.option(problem.opt)
    if argument is not None:
        trouble = "needs a value" if argument.takes_value else "takes no value"
        return SpecError(f"{verb.name}: {written} {trouble}", hint=usage_hint(verb))
    begun = [f"--{spelling(one)}" for one in verb.named if spelling(one).startswith(problem.opt)]
    if len(begun) == 1 and len(problem.opt) > 1:
        trouble = "needs a value" if "requires" in problem.msg else "takes no value"
        return SpecError(f"{verb.name}: {begun[0]} {trouble}", hint=usage_hint(verb))
    return SpecError(f"{verb.name}: unknown option {written}", hint=_guess(verb, problem.opt, begun))


def _guess(verb: Verb, written: str, begun: Names[str]) -> str:
    from orchestrator.labfile.suggest import did_you_mean, either

    known = [f"--{spelling(one)}" for one in verb.options]
    guess = f"did you mean {either([*begun])}?" if begun else did_you_mean(f"--{written}", known)
    if verb.name in PROGRAMS:
        dashes = "rguments of the program that begin with a dash follow --"
        return f"{guess} A{dashes}" if guess else f"a{dashes}"
    return guess or usage_hint(verb)


def _set_positionals(verb: Verb, words: Sequence[str]) -> None:
    left = list(words)
    for argument in verb.positionals:
        if argument.kind is list:
            for word in left:
                _set(verb, argument, metavar(argument), word)
            left = []
        elif argument.got_value:
            continue
        elif left:
            _set(verb, argument, metavar(argument), left.pop(0))
        elif not is_optional(argument):
            raise SpecError(f"{verb.name}: {metavar(argument)} is missing", hint=usage_hint(verb))
    if left:
        raise SpecError(f"{verb.name}: unexpected argument {left[0]!r}", hint=usage_hint(verb))


def _set(verb: Verb, argument: Argument, shown: str, text: str) -> None:
    """Set one value. Raises SpecError for one that is empty or not of the argument's kind."""
    if not argument.takes_value:
        argument.set_value(True)
        return
    free = (verb.name, spelling(argument)) in ANY_TEXT
    if not text.strip() and not free:
        raise SpecError(f"{verb.name}: {shown} is empty", hint=usage_hint(verb))
    if argument.kind is list and not argument.positional:
        for name in text.split(","):
            if not name.strip():
                raise SpecError(f"{verb.name}: {shown} {text} has an empty name between its commas")
            argument.set_value(name.strip())
        return
    try:
        argument.set_value(text)
    except ValueError:
        raise SpecError(f"{verb.name}: {shown} needs a number, not {text!r}") from None


METAVARS = {
    "action": "ACTION", "arch": "ARCHITECTURES", "args": "ARG", "authorized-key": "FILE",
    "build": "COMMAND", "canvas": "FILE", "canvas-column": "TITLE", "command": "COMMAND", "crowd": "NUMBER",
    "driver": "DRIVER", "exercise": "EXERCISES", "files": "FILE", "folder": "FOLDER", "for": "READER",
    "format": "FORMAT", "further": "NAME", "image": "IMAGES", "key": "FILE", "kind": "KIND", "lab": "LAB",
    "limit": "SIZE", "machine": "MACHINES", "moodle": "FILE", "name": "NAME", "names": "NAME",
    "on": "MACHINES", "only": "MACHINES", "out": "PATH", "path": "FILE", "paths": "PATH", "policy": "FILE",
    "program": "NAME", "repeat": "NUMBER", "roster": "FILE", "rounds": "NUMBER", "run": "RUN",
    "stdin": "FILE", "student": "ID", "timeout": "TIME", "user": "USER", "verb": "VERB", "verify": "FOLDER",
    "what": "WHAT", "work": "FOLDER",
}  # fmt: skip
"""What help pages call the value of an argument; for others its own name in capitals."""


def metavar(argument: Argument) -> str:
    """The word that stands for an argument's value in help pages and messages."""
    name = spelling(argument)
    return METAVARS.get(name, name.upper())


def usage(verb: Verb) -> str:
    """The shape of a verb's command line: ``isolab try FILE [ARG…] [OPTION…]``."""
    words = ["isolab", verb.name]
    for argument in verb.positionals:
        word = metavar(argument) + ("…" if argument.kind is list else "")
        words.append(f"[{word}]" if is_optional(argument) else word)
    return " ".join([*words, *(["[OPTION…]"] if verb.options else [])])


def usage_hint(verb: Verb) -> str:
    """What to do about a command line that is wrong."""
    return f"usage: {usage(verb)}; `isolab {verb.name} --help` explains it"
