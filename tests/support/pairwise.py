"""Which kinds of machines stand for all: every two properties that occur together, do so in one of these."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from bench import Kind


def pairwise(kinds: Sequence[Kind]) -> list[Kind]:
    """As few as a greedy choice finds, in the order given; the same each time."""
    left = set().union(*map(_pairs, kinds))
    chosen = []
    while left:
        best = max(kinds, key=lambda kind: len(_pairs(kind) & left))
        chosen.append(best)
        left -= _pairs(best)
    return [kind for kind in kinds if kind in chosen]


def _pairs(kind: Kind) -> set[frozenset[tuple[str, object]]]:
    properties = {
        "driver": kind.driver,
        "engine": kind.engine,
        "architecture": kind.arch,
        "way": kind.way or kind.via,
        "cloned": kind.cloned,
        "image": kind.image,
    }
    return {frozenset(pair) for pair in combinations(properties.items(), 2)}
