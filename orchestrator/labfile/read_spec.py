"""Read a YAML file that people write: as data with places, or as a model with every mistake in it."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from orchestrator.errors import SpecError
from orchestrator.labfile import yaml_document
from orchestrator.labfile.messages import Model, ValidatedDocument, problems_of, validate
from orchestrator.labfile.yaml_document import Document
from orchestrator.labfile.yaml_nodes import refusal


def read_document(file: Path, *, hint: str = "check its permissions") -> Document:
    """Read a file of at most ``yaml_document.MAX_BYTES``. Mistakes that leave the rest readable are in the
    document. Raises SpecError: with ``hint`` if the file cannot be read, and if it is no YAML at all."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(yaml_document.MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(f"cannot read {file}: {error.strerror}", hint=hint) from None
    return yaml_document.survey(yaml_document.decode(raw, str(file)), str(file))


def read_spec(model: type[Model], file: Path, *, hint: str) -> Model:
    """Read a file as a model. Raises SpecError with every mistake in it, and as ``read_document`` does."""
    return understood(model, read_document(file, hint=hint))


def understood(model: type[Model], document: Document) -> Model:
    """Return the document as a model. Raises SpecError with every mistake in it."""
    try:
        spec = validate(model, document.data)
    except ValidationError as error:
        found = problems_of(error, model, ValidatedDocument(document, document.data))
        raise refusal([*document.problems, *found]) from None
    if document.problems:
        raise refusal(document.problems)
    return spec
