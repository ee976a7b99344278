"""Names on the command line that stand for several: topics, and patterns with ``*`` and ``?``."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from orchestrator.errors import SpecError
from orchestrator.run.run import require

_OWN = "./"


def chosen(written: Sequence[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    """The ``known`` names that are meant by what was ``written``, in their own order; all of none.

    A name means itself, a topic (``ipc``) every name below it, a pattern (``ipc/*``) every name that matches.
    ``./`` before a lab's own exercises may be left out. Raises SpecError for what means nothing.
    """
    if not written:
        return ()
    meant: set[str] = set()
    for word in written:
        found = {name for name in known if _means(word, name)}
        if not found and any(sign in word for sign in "*?["):
            raise SpecError(f"no {what} of the lab matches {word!r}", hint=f"{what}s: {', '.join(known)}")
        if not found:
            require([word], known, what)
        meant |= found
    return tuple(name for name in known if name in meant)


def _means(word: str, name: str) -> bool:
    bare = name.removeprefix(_OWN)
    word = word.removeprefix(_OWN)
    topic = word.rstrip("/")
    return bare == word or bare.startswith(f"{topic}/") or fnmatchcase(bare, word)
