"""The texts below the attributes of a class, which Python does not keep: read from its source."""

from __future__ import annotations

from collections.abc import Mapping


def attribute_docs(cls: type) -> Mapping[str, str]:
    """Return the text below each attribute that ``cls`` and its bases declare with a type, by name.

    Raises OSError where the source is not there.
    """
    found: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.partition(".")[0] == __name__.partition(".")[0]:
            found |= _own(each)
    return found


def _own(cls: type) -> dict[str, str]:
    import ast
    import inspect
    import textwrap

    (node,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for declared, text in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(declared, ast.AnnAssign)
            and isinstance(declared.target, ast.Name)
            and isinstance(text, ast.Expr)
            and isinstance(text.value, ast.Constant)
            and isinstance(text.value.value, str)
        ):
            found[declared.target.id] = inspect.cleandoc(text.value.value)
    return found
