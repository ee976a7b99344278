"""Pseudonyms of students."""

from __future__ import annotations

import hashlib
import hmac


def pseudonym(student: str, key: bytes) -> str:
    """placeholder until the exports branch is merged"""
    return (
        "student-" + hmac.new(key, student.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()[:8]
    )
