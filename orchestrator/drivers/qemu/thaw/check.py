"""Whether a frozen emulator is still what was written: not damaged, and nobody else's."""

from __future__ import annotations

import os
import stat

from orchestrator.drivers.model import FrozenImage
from orchestrator.drivers.qemu.thaw import image_file
from orchestrator.host import cache


def damage(frozen: FrozenImage, *, whole: bool) -> str:
    """Return what is wrong with a frozen emulator, "" if nothing is. ``whole``: compare its memory as well,
    which takes a while."""
    try:
        facts = cache.meta(frozen.folder)
        about = frozen.image.stat()
        if about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) != 0o600:
            return "others may have changed it, or read it"
        if image_file.table_digest(frozen.image) != facts["table"]:
            return "its table is damaged"
        if about.st_size != facts["size"]:
            return "it is not complete"
        if whole and cache.sha256_file(frozen.image) != facts["digest"]:
            return "its memory is damaged"
    except (OSError, ValueError, KeyError, TypeError) as problem:
        return f"it cannot be read: {problem}"
    return ""
