"""Wording of error messages: quote what was written and guess what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence
from fractions import Fraction

_LONGEST_QUOTE = 60

_SYNONYMS = {
    "aarch64": "arm64", "armv8": "arm64", "x86_64": "amd64", "x86-64": "amd64", "x64": "amd64",
    "arm": "armhf", "arm32": "armhf", "armv7": "armhf", "armv7l": "armhf", "armv8l": "armhf",
    "x86": "i386", "i486": "i386", "i586": "i386", "i686": "i386", "386": "i386",
    "ppc64le": "ppc64el", "powerpc64le": "ppc64el", "powerpc": "ppc64el", "ppc": "ppc64el",
    "ppc64": "ppc64el", "power": "ppc64el", "s390": "s390x", "riscv": "riscv64", "rv64": "riscv64",
    "mips": "mipsel", "mips64": "mips64el", "mips64le": "mips64el", "mipsle": "mipsel",
    "docker": "container", "podman": "container", "vm": "qemu", "kvm": "qemu", "seccomp": "sandbox",
    "yes": "true", "on": "true", "no": "false", "off": "false",
}  # fmt: skip
"""Names other projects use -> ours. Suggested only where ours is one of the choices."""

_SIZES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_SIZE_SPELLINGS: dict[str, tuple[str, ...]] = {
    "B": ("b", "byte", "bytes"),
    "KiB": ("k", "kb", "kib", "ki", "kbyte", "kilobytes"),
    "MiB": ("m", "mb", "mib", "mi", "meg", "megs", "mbyte", "megabytes"),
    "GiB": ("g", "gb", "gib", "gi", "gig", "gigs", "gbyte", "gigabytes"),
}
_DURATION_SPELLINGS: dict[str, tuple[str, ...]] = {
    "ms": ("ms", "msec", "msecs", "millis", "milliseconds"),
    "s": ("s", "sec", "secs", "second", "seconds"),
    "min": ("m", "min", "mins", "minute", "minutes"),
    "h": ("h", "hr", "hrs", "hour", "hours"),
}


def quote(text: object) -> str:
    """``text`` in quotes, control characters escaped, shortened to a readable length."""
    words = str(text)
    return repr(words if len(words) <= _LONGEST_QUOTE else words[: _LONGEST_QUOTE - 3] + "...")


def did_you_mean(written: object, choices: Collection[str]) -> str:
    """Ask about the choice closest to what was written; empty if none is close."""
    if not isinstance(written, str):
        return ""
    name = written.strip().lower()
    lowered = {choice.lower(): choice for choice in choices}
    synonym = _SYNONYMS.get(name, "")
    near = [synonym] if synonym in lowered else difflib.get_close_matches(name, list(lowered), n=1)
    return ask(lowered[near[0]]) if near else ""


def either(choices: Sequence[str]) -> str:
    """``a, b or c``"""
    return " or ".join(filter(None, (", ".join(choices[:-1]), *choices[-1:])))


def ask(guess: str) -> str:
    """``did you mean 'guess'?``"""
    return f"did you mean {quote(guess)}?"


def meant_size(written: object) -> str:
    """The size (``256MiB``) probably meant by ``256MB``, ``1.5G`` or a bare number; else empty."""
    number, unit = _number_and_unit(written)
    if number is None:
        return ""
    if not unit:
        unit = "b" if number >= _SIZES["MiB"] else "mib"
    ours = _spelling(unit, _SIZE_SPELLINGS)
    total = number * _SIZES[ours] if ours else Fraction(0)
    if total.denominator != 1 or total <= 0:
        return ""
    largest = next(name for name in reversed(_SIZES) if total % _SIZES[name] == 0)
    return f"{total // _SIZES[largest]}{largest}"


def meant_duration(written: object) -> str:
    """The duration (``5s``) probably meant by ``5sec`` or a bare number; else empty."""
    number, unit = _number_and_unit(written)
    ours = _spelling(unit or "s", _DURATION_SPELLINGS)
    return f"{float(number):g}{ours}" if number and ours and number < 10**6 else ""


def _number_and_unit(written: object) -> tuple[Fraction | None, str]:
    match = re.fullmatch(r"\s*([0-9]{1,12}(?:\.[0-9]{1,6})?)\s*([A-Za-z]*)\s*", str(written))
    return (Fraction(match[1]), match[2].lower()) if match else (None, "")


def _spelling(unit: str, spellings: dict[str, tuple[str, ...]]) -> str:
    return next((ours for ours, theirs in spellings.items() if unit in theirs), "")
