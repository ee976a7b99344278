"""Mistakes in how an exercise uses its programs: in the commands it runs, and in what it expects of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from orchestrator.errors import Problem
from orchestrator.labfile.check_commands import available, command_problems
from orchestrator.labfile.check_observations import observation_problems, sources_of
from orchestrator.labfile.check_parameters import with_stand_ins
from orchestrator.labfile.yaml_document import Document


def use_problems(
    document: Document, hidden: Document | None, folder: Path, known: Collection[Problem] = ()
) -> Iterator[Problem]:
    """Report mistakes in the commands and checks of an exercise file and of its hidden tests, which may use
    the programs and observations of both. ``known`` are the problems of builds and files."""
    hidden = with_stand_ins(hidden, document) if hidden is not None else None
    document = with_stand_ins(document, document)
    there = available(document, [one for one in known if one.file == document.file])
    yield from command_problems(document, folder, there)
    whole, documents = there, [document]
    if hidden is not None:
        whole = there.with_those_of(available(hidden, [one for one in known if one.file == hidden.file]))
        documents = [document, hidden]
        yield from command_problems(hidden, folder, whole)
    sources = sources_of(documents, folder, whole)
    for each in documents:
        yield from observation_problems(each, document, sources)
