"""Gradescope's export of submissions: a folder for each, and a file in YAML that says whose they are."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import yaml

from orchestrator.errors import SpecError
from orchestrator.submissions.entries import shown_name
from orchestrator.submissions.layouts.base import Claim, FoundSubmission, Listing, Split, unused
from orchestrator.submissions.roster import Roster

METADATA = "submission_metadata.yml"
_AGAIN = "export the submissions again"
_SUBMITTERS, _CREATED = "submitters", "created_at"


class Gradescope:
    """Folders ``submission_NUMBER``, beside ``submission_metadata.yml``, whose keys are Ruby's symbols. A
    team has one folder and several submitters."""

    key = "gradescope"
    title = "Gradescope"
    shape = f"submission_NUMBER/… beside {METADATA}"

    def fits(self, listing: Listing, roster: Roster | None, *, chosen: bool = False) -> bool:
        return listing.tops.get(METADATA) is False

    def split(self, listing: Listing, roster: Roster | None) -> Split:
        about = _read(listing.read([METADATA]).get(METADATA, b""))
        found, notes = [], []
        for name, one in about.items():
            claims = _claims(name, one)
            if claims:
                found.append(_finding(name, one, claims, listing))
            else:
                notes.append(f"{shown_name(name)} was left out: {METADATA} does not say whose it is")
        left = set(listing.tops) - about.keys() - {METADATA}
        return Split(tuple(found), (*notes, *unused(left, f"not in {METADATA}")))


def _finding(
    name: str, about: Mapping[str, Any], claims: tuple[Claim, ...], listing: Listing
) -> FoundSubmission:
    number = name.removeprefix("submission_").partition(".")[0]
    files = listing.under(name)
    words = () if files else (f"{METADATA} names this submission, but its folder is not there",)
    return FoundSubmission(
        claims, name, files, submitted=_time(about.get(_CREATED)), platform_id=number, remarks=words
    )


def _claims(name: str, about: Mapping[str, Any]) -> tuple[Claim, ...]:
    those = about.get(_SUBMITTERS)
    persons = [_plain(one) for one in those if isinstance(one, dict)] if isinstance(those, list) else []
    found = []
    for number, person in enumerate(persons, 1):
        key, email, called = (_text(person.get(which)) for which in ("sid", "email", "name"))
        nobody = f"gradescope-{name.removeprefix('submission_')}-{number}"
        found.append(Claim(key or email or nobody, id=key, name=called, email=email))
    return tuple(found)


def _read(data: bytes) -> dict[str, Mapping[str, Any]]:
    """Return what the file says of each submission, by the folder's name. Raises SpecError."""
    try:
        loaded = yaml.load(data, _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as problem:
        words = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise SpecError(f"{METADATA} is not YAML: {shown_name(words)}", hint=_AGAIN) from None
    if not isinstance(loaded, dict):
        raise SpecError(f"{METADATA} lists no submissions", hint=_AGAIN)
    return {str(name): _plain(one) for name, one in loaded.items() if isinstance(one, dict)}


def _plain(about: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a mapping whose keys are Ruby's symbols with plain keys."""
    return {str(key).removeprefix(":"): value for key, value in about.items()}


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int) else ""


def _time(value: object) -> datetime | None:
    if isinstance(value, dict):  # an object of Ruby on Rails, ActiveSupport::TimeWithZone
        value = value.get("utc")
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.replace(" Z", "Z").replace(" UTC", "Z"))
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML's safe loader, in C where there is one, since exports are large. Objects of Ruby are read as the
    mappings, lists and texts they are written as."""


def _ruby(loader: yaml.SafeLoader, _tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


_Loader.add_multi_constructor("!ruby/", _ruby)
