"""Parse YAML text into plain data that knows the position of each value.

The dialect is a strict part of YAML 1.2: mappings with text keys, lists, and the scalars null,
true and false, whole numbers (decimal without leading zeros, or 0x), finite floats and text.
So ``yes``, ``12:30``, ``2024-01-01`` and ``0666`` are text. Merge keys, tags and a second
document are refused. Files are not trusted: size, depth and alias expansion are bounded.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from yaml.error import Mark
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from orchestrator.errors import Problem
from orchestrator.labfile.suggest import quote
from orchestrator.labfile.yaml_nodes import (
    CORE,
    MAX_DEPTH,
    MAX_NODES,
    PLAIN,
    LimitPassed,
    Place,
    compose,
    place_in,
    place_of,
    refusal,
)

MAX_BYTES = 2**20
_MAX_CHARACTERS = 4 * MAX_BYTES
_MAX_NUMBER = 1000
_KEPT_DOCUMENTS = 256
"""As many as all built-in labs have, and some."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The data of one file. ``problems`` are mistakes that leave the rest readable."""

    file: str
    data: Any
    places: Mapping[Path, tuple[Place, Place]]
    problems: tuple[Problem, ...] = ()

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Line and column, from 1, of the value at ``path``, or of the key that leads to it.

        A path that is not in the file stands for its nearest ancestor that is.
        """
        if path in self.places:
            return self.places[path][key]
        return self.place(path[:-1]) if path else (1, 1)

    def problem(self, path: Path, message: str, suggestion: str = "", *, key: bool = False) -> Problem:
        """A mistake at ``path`` (or at its key) of this file."""
        return Problem(self.file, *self.place(path, key=key), message, suggestion)


def decode(raw: bytes, file: str) -> str:
    """The text of a file. Raises SpecError when it is too large or not UTF-8."""
    if len(raw) > MAX_BYTES:
        raise refusal([Problem(file, 0, 0, f"the file is larger than {MAX_BYTES // 2**20} MiB")])
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        message = f"the byte 0x{raw[error.start]:02x} is not UTF-8"
        raise refusal(
            [Problem(file, *place_in(before, len(before)), message, "save the file as UTF-8")]
        ) from None


def parse(text: str, file: str) -> Document:
    """The data in ``text``. Raises SpecError with every syntax problem; ``file`` is the name they give."""
    document = survey(text, file)
    if document.problems:
        raise refusal(document.problems)
    return document


@lru_cache(maxsize=_KEPT_DOCUMENTS)
def survey(text: str, file: str) -> Document:
    """Like ``parse``, but problems that leave the rest readable are kept in the document.

    The same text of the same file gives the same document, which nobody may change: one command reads many
    files several times, and labs share exercises. Raises SpecError when nothing can be read: a syntax error,
    an empty file, a limit exceeded.
    """
    if len(text) > MAX_BYTES:
        raise refusal([Problem(file, 0, 0, f"the file is larger than {MAX_BYTES // 2**20} MiB")])
    root, second = compose(text, file)
    builder = _DataBuilder(file)
    if second is not None:
        builder.complain(second, "a second document starts here; only one is allowed")
    try:
        data = builder.build(root, ())
    except LimitPassed as limit:
        builder.complain(limit.mark, str(limit))
        raise refusal(builder.problems) from None
    return Document(file, data, builder.places, tuple(builder.problems))


class _DataBuilder:
    """Builds data from nodes; records positions and collects problems on the way."""

    def __init__(self, file: str) -> None:
        self.problems: list[Problem] = []
        self.places: dict[Path, tuple[Place, Place]] = {}
        self._file = file
        self._open: set[int] = set()
        self._nodes = 0
        self._characters = 0

    def complain(self, mark: Mark, message: str, suggestion: str = "") -> None:
        self.problems.append(Problem(self._file, *place_of(mark), message, suggestion))

    def build(self, node: Node, path: Path, key: Node | None = None) -> Any:
        """The data of ``node``; raises LimitPassed."""
        self._count(node, path)
        self.places[path] = (place_of(node.start_mark), place_of((key or node).start_mark))
        if id(node) in self._open:
            self.complain((key or node).start_mark, "an alias refers to a value that contains it")
            return None
        if isinstance(node, ScalarNode):
            return self._scalar(node)
        assert isinstance(node, CollectionNode)
        expected = "seq" if isinstance(node, SequenceNode) else "map"
        if node.tag != CORE + expected:
            self._refuse_tag(node)
        self._open.add(id(node))
        data = self._mapping(node, path) if isinstance(node, MappingNode) else self._list(node, path)
        self._open.remove(id(node))
        return data

    def _count(self, node: Node, path: Path) -> None:
        self._nodes += 1
        self._characters += len(node.value) if isinstance(node, ScalarNode) else 0
        if self._nodes > MAX_NODES or self._characters > _MAX_CHARACTERS:
            raise LimitPassed(
                f"with aliases expanded, the file has more than {MAX_NODES} values", node.start_mark
            )
        if len(path) > MAX_DEPTH:
            raise LimitPassed(f"nested deeper than {MAX_DEPTH} levels", node.start_mark)

    def _list(self, node: CollectionNode, path: Path) -> list[Any]:
        return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        lines: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node)
            if key is None:
                continue
            if key in data:
                self.complain(
                    key_node.start_mark, f"duplicate key {quote(key)}; the first is on line {lines[key]}"
                )
                continue
            lines[key] = key_node.start_mark.line + 1
            data[key] = self.build(value_node, (*path, key), key_node)
        return data

    def _key(self, node: Node) -> str | None:
        if not isinstance(node, ScalarNode):
            self.complain(node.start_mark, "a key must be text")
            return None
        if node.value == "<<" and node.style is None:
            self.complain(node.start_mark, "merge keys (<<) are not supported", "write the keys out")
            return None
        value = self._scalar(node)
        if not isinstance(value, str):
            advice = f'write "{node.value}":' if node.value else "write a name before the colon"
            self.complain(node.start_mark, "a key must be text", advice)
            return str(node.value)
        return value

    def _scalar(self, node: ScalarNode) -> Any:
        kind = node.tag.removeprefix(CORE)
        text = str(node.value)
        if kind not in PLAIN:
            if kind != "str":
                self._refuse_tag(node)
            return self._text(text, node)
        if not PLAIN[kind].fullmatch(text):
            self.complain(node.start_mark, f"{quote(text)} does not match its tag !!{kind}")
            return self._text(text, node)
        if kind in ("int", "float"):
            return self._number(text, kind, node)
        return None if kind == "null" else text.lower() == "true"

    def _number(self, text: str, kind: str, node: ScalarNode) -> int | float:
        if len(text) > _MAX_NUMBER:
            self.complain(node.start_mark, f"the number has more than {_MAX_NUMBER} digits")
            return 0
        if kind == "int":
            return int(text, 16) if text.startswith("0x") else int(text)
        # YAML spells infinity .inf and no number .nan; Python's float knows them without the dot.
        named = text.lstrip("+-")[1:].isalpha()
        value = float(text.replace(".", "") if named else text)
        if math.isfinite(value):
            return value
        self.complain(node.start_mark, "expected a finite number")
        return 0.0

    def _text(self, text: str, node: ScalarNode) -> str:
        try:
            text.encode()
        except UnicodeEncodeError:
            self.complain(node.start_mark, "this escape is half of a surrogate pair, not a character")
            return text.encode(errors="replace").decode()
        return text

    def _refuse_tag(self, node: Node) -> None:
        tag = quote(str(node.tag).replace(CORE, "!!"))
        self.complain(node.start_mark, f"the tag {tag} is not supported", "write the plain value")
