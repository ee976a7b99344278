"""What to do about a failed build, where its words say it without saying so."""

from __future__ import annotations

import re

from orchestrator.arch import Arch
from orchestrator.compile.built_before import BuiltBefore

_LIBRARY = re.compile(r"unable to find library -l(\S+)")
_SHARED = re.compile(r"attempted static link of dynamic object (\S+)")


def explained(words: str, before: BuiltBefore, arch: Arch) -> str:
    """A hint about a build that failed for an architecture, from what it wrote; "" if there is none."""
    for found in before.binaries:
        if found.path in words and found.what.arch != arch.name:
            what = found.what.arch or "an unknown architecture"
            return (
                f"`{found.path}` in the folder was built for {what}, not {arch.name}, and was left out; "
                "nothing makes it anew: add its sources"
            )
    if "Exec format error" in words or "cannot execute binary file" in words:
        return (
            f"the build runs a program that it built for {arch.name}: compile what the build itself runs "
            "with $(HOSTCC)"
        )
    if shared := _SHARED.search(words):
        return f"programs are linked statically: make `{shared[1]}` an archive (.a)"
    if missing := _LIBRARY.search(words):
        return (
            f"the compiler has the libraries of C and C++ and no others, as archives: "
            f"build lib{missing[1]}.a from its sources in the folder"
        )
    if "undefined symbol: main" in words:
        return "no source defines main()"
    return ""
