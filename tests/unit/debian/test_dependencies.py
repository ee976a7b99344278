"""Which packages a wish comes to."""

from __future__ import annotations

import pytest

from orchestrator.debian.dependencies import Index
from orchestrator.errors import ImageError


def index(*stanzas: str) -> Index:
    about = "Version: 1\nFilename: f\nSHA256: 0\nSize: 1"
    return Index.parse("\n\n".join(f"{stanza}\n{about}" for stanza in stanzas).encode())


def names(found: Index, *wanted: str) -> list[str]:
    return [package.name for package in found.closure(wanted)]


def test_dependencies_come_along_to_the_end() -> None:
    found = index(
        "Package: a\nDepends: b (>= 2), c:any [amd64]",
        "Package: b\nPre-Depends: d",
        "Package: c",
        "Package: d\nDepends: a",
        "Package: unrelated",
    )
    assert names(found, "a") == ["a", "b", "c", "d"]


def test_essential_packages_are_on_every_system() -> None:
    assert names(index("Package: dash\nEssential: yes\nDepends: libc", "Package: libc", "Package: x")) == [
        "dash",
        "libc",
    ]


def test_the_first_alternative_that_exists_is_taken() -> None:
    found = index("Package: a\nDepends: gone | b | c", "Package: b", "Package: c")
    assert names(found, "a") == ["a", "b"]


def test_an_alternative_that_is_wanted_anyway_is_taken_before_that() -> None:
    found = index("Package: a\nDepends: b | c", "Package: b", "Package: c")
    assert names(found, "a", "c") == ["a", "c"]


def test_a_virtual_package_is_met_by_who_provides_it() -> None:
    found = index(
        "Package: a\nDepends: awk", "Package: gawk\nProvides: awk (= 1)", "Package: mawk\nProvides: awk"
    )
    assert names(found, "a") == ["a", "gawk"]
    assert names(found, "a", "mawk") == ["a", "mawk"]


def test_what_does_not_exist_is_named() -> None:
    with pytest.raises(ImageError, match="unknown package 'nonsense'"):
        index("Package: a").closure(["nonsense"])
    with pytest.raises(ImageError, match="a depends on b or c, which does not exist"):
        index("Package: a\nDepends: b | c").closure(["a"])


def test_of_several_versions_the_newest_is_taken() -> None:
    text = b"\n\n".join(
        b"Package: a\nVersion: %s\nFilename: f\nSHA256: 0\nSize: 1" % version
        for version in (b"1.9", b"1.10", b"1.10~rc1")
    )
    found = Index.parse(text).package("a")
    assert found is not None
    assert found.version == "1.10"


def test_a_description_with_an_empty_looking_line_does_not_end_a_package() -> None:
    found = index("Package: a\nDescription: one\n two\n \n three\nDepends: b", "Package: b")
    assert names(found, "a") == ["a", "b"]


def test_what_a_package_depends_on_first() -> None:
    found = index("Package: a\nDepends: b (= 2) | c, d", "Package: b")
    assert (found.first_dependency("a"), found.first_dependency("b")) == ("b", "")


def test_what_there_is_not_is_none() -> None:
    assert index("Package: ab").package("a") is None
