"""Which packages a wish comes to: everything it depends on, and what every system has.

For fresh systems of one suite only, where nothing conflicts: the first alternative of a dependency
that is chosen already, else that exists, is taken. Source: deb-control(5), "Depends".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestrator.debian.archive import Package, fields_of, package
from orchestrator.errors import ImageError

_NAME = re.compile(r"\s*([a-z0-9][a-z0-9.+-]*)")


@dataclass(frozen=True)
class Index:
    """A suite's packages for one architecture by name, and who provides what."""

    packages: Mapping[str, Mapping[str, str]]
    providers: Mapping[str, list[str]]

    @classmethod
    def parse(cls, text: bytes) -> Index:
        """Read a Packages file (wiki.debian.org/DebianRepository/Format)."""
        packages, providers = {}, defaultdict(list)
        for stanza in text.decode().strip("\n").split("\n\n"):
            fields = fields_of(stanza)
            packages[fields["Package"]] = fields
            for provided in _names(fields.get("Provides", "")):
                providers[provided[0]].append(fields["Package"])
        return cls(packages, providers)

    def closure(self, wanted: Iterable[str]) -> list[Package]:
        """The wanted packages, the essential ones, and all they depend on, by name.

        Raises ImageError for a dependency that nothing meets.
        """
        essential = [name for name, f in self.packages.items() if f.get("Essential") == "yes"]
        waiting, chosen = [*essential, *wanted], set[str]()
        while waiting:
            name = waiting.pop(0)
            if name in chosen:
                continue
            fields = self.packages.get(name)
            if fields is None:
                raise ImageError(
                    f"there is no package {name!r}", hint="the image's recipe (images/*.yaml) names packages"
                )
            chosen.add(name)
            planned = chosen | set(waiting)
            for kind in ("Pre-Depends", "Depends"):
                waiting += [
                    self._choose(name, alternatives, planned) for alternatives in _names(fields.get(kind, ""))
                ]
        return [package(self.packages[name]) for name in sorted(chosen)]

    def _choose(self, who: str, alternatives: list[str], planned: set[str]) -> str:
        for name in alternatives:
            meeting: list[str] = [name, *self.providers.get(name, [])]
            for candidate in meeting:
                if candidate in planned:
                    return candidate
        for name in alternatives:
            if name in self.packages:
                return name
            for provider in self.providers.get(name, []):
                return provider
        raise ImageError(f"{who} needs {' or '.join(alternatives)}, which does not exist")


def _names(field: str) -> list[list[str]]:
    """Alternatives of each dependency, without versions and architecture qualifiers."""
    found = []
    for dependency in field.split(",") if field else ():
        matches = (_NAME.match(part) for part in dependency.split("|"))
        found.append([match[1] for match in matches if match])
    return found
