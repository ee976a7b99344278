"""What the models share: names, architectures, boundaries, users."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from orchestrator.arch import ARCHITECTURES
from orchestrator.labfile.models.attribute_docs import attribute_docs

NAME_PATTERN = r"^[a-z][a-z0-9-]{0,39}$"
EXERCISE_PATTERN = r"^(\./)?[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*$"


def _known_arch(value: object) -> object:
    if isinstance(value, str) and value not in ARCHITECTURES:
        raise ValueError(f"expected one of: {', '.join(ARCHITECTURES)}")
    return value


ArchName = Annotated[
    str, BeforeValidator(_known_arch), WithJsonSchema({"type": "string", "enum": list(ARCHITECTURES)})
]


def _of_any_bytes(value: object, check: ValidatorFunctionWrapHandler) -> object:
    """Take text with bytes that are not UTF-8 (``os.fsdecode``) too, which pydantic's own strings cannot be.
    It comes from command lines and file names; a lab file is UTF-8."""
    if isinstance(value, str) and any("\udc80" <= character <= "\udcff" for character in value):
        return value
    return check(value)


def _escaped(text: str) -> str:
    """Return text that JSON can hold: other bytes as ``\\xff``."""
    return text.encode(errors="surrogateescape").decode(errors="backslashreplace")


AnyText = Annotated[
    str, WrapValidator(_of_any_bytes), PlainSerializer(_escaped, return_type=str, when_used="json")
]
MachineName = Annotated[str, Field(pattern=NAME_PATTERN)]
ExercisePath = Annotated[str, Field(pattern=EXERCISE_PATTERN)]


Feature = Literal[
    "user-namespaces", "posix-shm", "posix-mqueue", "sysv-ipc", "seccomp", "landlock", "cgroup-memory"
]
"""What the runner tries in a machine; the same names as in ``images/guest/facts.c``."""

Fact = Literal[
    "kernel", "machine", "hostname", "bits", "byte_order", "page_size", "cpus", "memory", "uid",
    "long", "long_double", "char_signed", "wchar_signed", "aligned", "landlock_abi", "no_new_privs", "time",
    "spin_us",
]  # fmt: skip
"""What the runner reports of a machine; the same names as in ``images/guest/facts.c``."""


class User(StrEnum):
    """Who runs a program inside a machine; the same three users exist on every machine."""

    STUDENT = "student"
    OTHER = "other"
    ROOT = "root"


class Spec(BaseModel):
    """Base of all models: frozen, and strict about keys. The text below a field is for the schema."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Describe the fields. pydantic's own way reads the source of every model at every start."""
        found = handler(core_schema)
        properties = handler.resolve_ref_schema(found).get("properties", {})
        for name, text in attribute_docs(cls).items():
            known = cls.model_fields.get(name)
            key = (known.alias if known else None) or name
            if key in properties:
                properties[key].setdefault("description", text)
        return found
