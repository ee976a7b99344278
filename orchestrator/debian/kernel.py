"""Take a distribution's kernel package apart: the kernel and its modules."""

from __future__ import annotations

import lzma
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.debian.archive import members
from orchestrator.errors import ImageError


@dataclass
class Kernel:
    """``modules`` by their path beneath ``usr/lib/modules/VERSION``, as they are in the package; ``config``
    is the text of its configuration."""

    version: str = ""
    modules: dict[str, bytes] = field(default_factory=dict)
    config: bytes = b""

    def by_name(self) -> dict[str, bytes]:
        """The decompressed modules by the names used in their dependencies."""
        found = {}
        for path, data in self.modules.items():
            name, _, kind = Path(path).name.partition(".ko")
            if path.endswith((".ko", ".ko.xz")):
                found[name.replace("-", "_")] = lzma.decompress(data) if kind else data
        return found


def take(deb: Path, target: Path, folders: Sequence[str]) -> Kernel:
    """Write the kernel to ``target``; return it with the modules in these folders of ``kernel/``.

    Raises ImageError.
    """
    kernel = Kernel()
    patterns = [f"*lib/modules/*/kernel/{folder}*" for folder in folders]
    patterns += ["boot/config-*", "*lib/modules/*/modules.*"]
    for member in members(deb, ["boot/vmlinu*"], patterns):
        if member.path.startswith("boot/config-"):
            kernel.config = member.data
            continue
        if member.path.startswith("boot/"):
            target.write_bytes(member.data)
            continue
        kernel.version, _, path = member.path.partition("lib/modules/")[2].partition("/")
        kernel.modules[path] = member.data
    if not target.exists() or not kernel.version:
        raise ImageError(f"package {deb} contains no kernel with modules")
    return kernel
