"""Parse YAML text into a tree of nodes, or report the one problem that prevents it.

No objects are constructed here, so tags are harmless, and depth and size are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from yaml.composer import Composer
from yaml.error import Mark, MarkedYAMLError
from yaml.events import StreamEndEvent
from yaml.nodes import Node, ScalarNode, SequenceNode
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.resolver import BaseResolver
from yaml.scanner import Scanner

from orchestrator.errors import Problem, SpecError

MAX_DEPTH = 50
MAX_NODES = 10_000

Place = tuple[int, int]

CORE = "tag:yaml.org,2002:"
PLAIN = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+"),
    "float": re.compile(
        r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    ),
}


def refusal(problems: Iterable[Problem]) -> SpecError:
    """The exception with these problems, without duplicates, in file order."""
    unique = tuple(sorted(set(problems)))
    files = sorted({problem.file for problem in unique})
    where = files[0] if len(files) == 1 else f"{len(files)} files"
    return SpecError(f"{len(unique)} mistake{'s' * (len(unique) != 1)} in {where}", problems=unique)


class LimitPassed(Exception):
    """The file is nested too deeply or too large; ``mark`` is where a limit was exceeded."""

    def __init__(self, message: str, mark: Mark) -> None:
        super().__init__(message)
        self.mark = mark


class _NodeComposer(Reader, Scanner, Parser, Composer, BaseResolver):
    """PyYAML's composer with our scalar rules and limits; constructs no objects."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        BaseResolver.__init__(self)
        self._level = 0
        self._nodes = 0

    def compose_node(self, parent: Node | None, index: Any) -> Node | None:
        if self._level > MAX_DEPTH:
            raise LimitPassed(f"nested deeper than {MAX_DEPTH} levels", self.next_mark())
        self._nodes += 1
        if self._nodes > 2 * MAX_NODES:  # as many keys as values
            raise LimitPassed(f"the file has more than {MAX_NODES} values", self.next_mark())
        self._level += 1
        node = super().compose_node(parent, index)
        self._level -= 1
        return node

    def next_mark(self) -> Mark:
        """Where the next event starts."""
        mark: Mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        return mark

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is ScalarNode:
            plain = implicit[0]
            names = (name for name, form in PLAIN.items() if plain and form.fullmatch(value))
            return CORE + next(names, "str")
        return CORE + ("seq" if kind is SequenceNode else "map")


def compose(text: str, file: str) -> tuple[Node, Mark | None]:
    """The root node, and where a second document starts."""
    tree = None
    try:
        tree = _NodeComposer(text)
        tree.get_event()  # type: ignore[no-untyped-call]
        root = None if tree.check_event(StreamEndEvent) else tree.compose_document()
        second = None if tree.check_event(StreamEndEvent) else tree.next_mark()
    except ReaderError as error:
        place = place_in(text, error.position)
        problem = Problem(file, *place, f"the character U+{ord(text[error.position]):04X} is not allowed")
    except (MarkedYAMLError, LimitPassed) as error:
        problem = Problem(file, *_syntax(error))
    except (ValueError, OverflowError):
        # PyYAML converts escapes such as "\UFFFFFFFF" and version numbers without a range check.
        assert tree is not None
        problem = Problem(file, *place_of(tree.get_mark()), "a number here is out of range")
    else:
        if root is not None and (root.value != "" or root.start_mark.index != root.end_mark.index):
            return root, second
        problem = Problem(file, 1, 1, "the file is empty")
    raise refusal([problem])


def _syntax(error: MarkedYAMLError | LimitPassed) -> tuple[int, int, str, str]:
    """Line, column, message and suggestion for a parser error."""
    if isinstance(error, LimitPassed):
        return (*place_of(error.mark), str(error), "")
    mark = error.problem_mark or error.context_mark
    place = place_of(mark) if mark else (1, 1)
    problem = error.problem or "syntax error"
    if "'\\t'" in problem:
        return (*place, "tabs are not allowed here", "indent with spaces")
    context = error.context or ""
    if context and error.context_mark:
        context = f" ({context} that starts on line {error.context_mark.line + 1})"
    return (*place, f"invalid YAML: {problem}{context}", "")


def place_of(mark: Mark) -> Place:
    """Line and column, from 1, of a mark."""
    return mark.line + 1, mark.column + 1


def place_in(text: str, index: int) -> Place:
    """Line and column, from 1, of the character at ``index``."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)
