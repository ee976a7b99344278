"""What to do about a failed build, where its words say it without saying so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from orchestrator.arch import Arch
from orchestrator.compile.built_before import BuiltBefore

_HINTS = (
    (
        re.compile(r"attempted static link of dynamic object (\S+)"),
        "programs are linked statically: make `{}` an archive (.a)",
    ),
    (
        re.compile(r"unable to find library -l(\S+)"),
        "the compiler has the libraries of C and C++ as archives, and no others: build lib{}.a from its "
        "sources in the folder",
    ),
    (
        re.compile(r"(?:^|: )([\w.+-]+): (?:command )?not found", re.MULTILINE),
        "the build needs `{}`, which is not installed on this host",
    ),
)


def shortened(words: str, paths: Mapping[Path, str]) -> str:
    """What a compiler wrote with shorter names for these paths, which would differ by architecture."""
    for path, name in paths.items():
        words = words.replace(str(path), name)
    return words


def explained(words: str, before: BuiltBefore, arch: Arch) -> str:
    """A hint about a build that failed for an architecture, from what it wrote; "" if there is none."""
    return _binary_without_sources(words, before, arch) or _missing(words, arch)


def _binary_without_sources(words: str, before: BuiltBefore, arch: Arch) -> str:
    for found in before.binaries:
        if found.path in words and found.what.arch != arch.name:
            what = found.what.arch or "an unknown architecture"
            return (
                f"`{found.path}` in the folder was built for {what}, not {arch.name}, and was left out; "
                "nothing makes it anew: add its sources"
            )
    return ""


def _missing(words: str, arch: Arch) -> str:
    if "Exec format error" in words or "cannot execute binary file" in words:
        return f"the build runs a program that it built for {arch.name}: compile that one with $(HOSTCC)"
    if "undefined symbol: main" in words:
        return "no source defines main()"
    for pattern, hint in _HINTS:
        if found := pattern.search(words):
            return hint.format(found[1])
    return ""
