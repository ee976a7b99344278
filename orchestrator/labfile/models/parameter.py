"""The model of an exercise's parameter: how each student's value is derived."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from orchestrator.labfile.models.base import Spec

PARAMETER_PATTERN = r"^[a-z][a-z0-9_]{0,39}$"
LARGEST = 2**53 - 1
"""The largest whole number that every reader of JSON keeps exactly: RFC 8259, section 6."""
_MOST_TEXT = 200
_BOUND = {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST}


def _bounds(value: Any) -> Any:
    """Two whole numbers, the smaller first. Raises ValueError."""
    is_pair = isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)
    if not is_pair:
        raise ValueError("expected two whole numbers such as [20000, 29999]")
    low, high = value
    if max(abs(low), abs(high)) > LARGEST:
        raise ValueError(f"expected numbers from {-LARGEST} to {LARGEST}")
    if low > high:
        raise ValueError(f"expected the smaller number first: [{high}, {low}]")
    if low == high:
        raise ValueError(f"expected a choice; every student would have {low}")
    return value


def _choices(value: Any) -> Any:
    """Two or more different texts and whole numbers. Raises ValueError."""
    if not isinstance(value, list) or len(value) < 2:
        raise ValueError("expected a list of two values or more")
    for one in value:
        if type(one) not in (int, str) or len(str(one)) > _MOST_TEXT or not str(one).isprintable():
            words = f"a whole number, or a line of at most {_MOST_TEXT} printable characters"
            raise ValueError(f"expected values that are each {words}")
    if again := next((one for number, one in enumerate(value) if one in value[:number]), None):
        raise ValueError(f"expected different values; {again!r} is there twice")
    return value


Bounds = Annotated[
    list[int],
    BeforeValidator(_bounds),
    WithJsonSchema({"type": "array", "items": _BOUND, "minItems": 2, "maxItems": 2}),
]
Choices = Annotated[
    list[int | str],
    BeforeValidator(_choices),
    WithJsonSchema({"type": "array", "items": {"type": ["integer", "string"]}, "minItems": 2}),
]


class Parameter(Spec):
    """How a student's value of a parameter is derived. Exactly one way is given.

    ``between`` makes a whole number, ``hex`` a text of that many digits, ``one_of`` what is listed;
    ``value`` is one already derived.
    """

    between: Bounds | None = None
    """A whole number from the first of these two to the second."""
    one_of: Choices | None = None
    """One of these texts and whole numbers."""
    hex: Annotated[int, Field(ge=1, le=64)] | None = None
    """A text of this many hexadecimal digits."""
    value: Annotated[int | str, Field(union_mode="smart")] | None = None
    """This value: what isolab writes into the copy that it hands out to one student."""

    @model_validator(mode="after")
    def _one_way(self) -> Parameter:
        if len([name for name in WAYS if getattr(self, name) is not None]) != 1:
            raise ValueError(f"expected exactly one of: {', '.join(WAYS)}")
        return self


WAYS = ("between", "one_of", "hex", "value")
