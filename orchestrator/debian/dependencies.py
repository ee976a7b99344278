"""Package index of an architecture, and the dependency closure of a package list.

Stanzas are parsed on demand: only a few hundred of an index's tens of thousands ever are.
Dependencies are resolved only for fresh systems of one suite, where nothing conflicts: the first
alternative that is already chosen, else the first that exists, is taken. Sources: the repository format
(wiki.debian.org/DebianRepository/Format); deb-control(5), "Depends".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.errors import ImageError

if TYPE_CHECKING:
    from debian.debian_support import Version

_NAME = re.compile(rb"^Package: (\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Package:
    """One binary package as the signed index describes it."""

    name: str
    version: str
    filename: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Index:
    """A suite's packages for one architecture: their stanzas by name."""

    stanzas: Mapping[str, bytes]

    @classmethod
    def parse(cls, text: bytes) -> Index:
        """Parse a Packages file; of several versions of a package, keep the newest."""
        stanzas: dict[str, bytes] = {}
        for stanza in text.strip(b"\n").split(b"\n\n"):
            if found := _NAME.search(stanza):
                name = found[1].decode()
                stanzas[name] = max(stanza, stanzas[name], key=_version) if name in stanzas else stanza
        return cls(stanzas)

    def package(self, name: str) -> Package | None:
        """The package of this name; None if it does not exist."""
        if name not in self.stanzas:
            return None
        fields = _fields(self.stanzas[name])
        return Package(
            name=name,
            version=fields["Version"],
            filename=fields["Filename"],
            sha256=fields["SHA256"],
            size=int(fields["Size"]),
        )

    def first_dependency(self, name: str) -> str:
        """A package's first dependency, which is what a metapackage stands for; "" if it has none."""
        needed = _alternatives(_fields(self.stanzas[name]), "Depends")
        return needed[0][0] if needed else ""

    @cached_property
    def providers(self) -> Mapping[str, list[str]]:
        """Names of the packages that provide each virtual package."""
        found = defaultdict(list)
        for name, stanza in self.stanzas.items():
            if b"\nProvides:" in stanza:
                for provided in _alternatives(_fields(stanza, "Provides"), "Provides"):
                    found[provided[0]].append(name)
        return found

    def closure(self, wanted: Iterable[str]) -> list[Package]:
        """The wanted packages, the essential ones, and all their dependencies, sorted by name.

        Raises ImageError for an unsatisfiable dependency.
        """
        essential = [name for name, stanza in self.stanzas.items() if b"\nEssential: yes" in stanza]
        waiting, chosen = [*essential, *wanted], dict[str, Package]()
        while waiting:
            name = waiting.pop(0)
            if name in chosen:
                continue
            package = self.package(name)
            if package is None:
                raise ImageError(
                    f"unknown package {name!r}",
                    hint="check the packages in the image's recipe (images/*.yaml)",
                )
            chosen[name] = package
            planned = {*chosen, *waiting}
            fields = _fields(self.stanzas[name])
            needed = [*_alternatives(fields, "Pre-Depends"), *_alternatives(fields, "Depends")]
            waiting += [self._choose(name, alternatives, planned) for alternatives in needed]
        return [chosen[name] for name in sorted(chosen)]

    def _choose(self, who: str, alternatives: list[str], planned: set[str]) -> str:
        for name in alternatives:
            meeting: list[str] = [name, *self.providers.get(name, [])]
            for candidate in meeting:
                if candidate in planned:
                    return candidate
        for name in alternatives:
            if name in self.stanzas:
                return name
            for provider in self.providers.get(name, []):
                return provider
        raise ImageError(f"{who} depends on {' or '.join(alternatives)}, which does not exist")


def _fields(stanza: bytes, *only: str) -> Mapping[str, str]:
    """The fields of a stanza, or some of them."""
    from debian.deb822 import Packages

    # As apt does: only a completely empty line ends a stanza.
    return Packages(stanza, fields=[*only] or None, strict={"whitespace-separates-paragraphs": False})


def _version(stanza: bytes) -> Version:
    from debian.debian_support import Version

    return Version(_fields(stanza, "Version")["Version"])


def _alternatives(fields: Mapping[str, str], kind: str) -> list[list[str]]:
    """The names of each relation's alternatives, without versions and architecture qualifiers."""
    from debian.deb822 import PkgRelation

    if not fields.get(kind):
        return []
    return [[one["name"] for one in relation] for relation in PkgRelation.parse_relations(fields[kind])]
