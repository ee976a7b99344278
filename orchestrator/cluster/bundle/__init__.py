"""A loaded lab as one archive with a digest, and back to a loaded lab on another host.

By the way of the data: ``contents`` (which files a lab needs), ``specs`` (its files' models as JSON),
``pack``, ``archive`` (tar, the same bytes for the same content), ``load``.
"""

from __future__ import annotations

from orchestrator.cluster.bundle.archive import unpack
from orchestrator.cluster.bundle.load import is_bundle, load_bundle
from orchestrator.cluster.bundle.pack import Bundle, pack, pack_text

__all__ = ["Bundle", "is_bundle", "load_bundle", "pack", "pack_text", "unpack"]
