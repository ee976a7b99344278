"""Which properties of machines may explain a difference, and which prove nothing."""

from __future__ import annotations

from typing import Any

import pytest
from factories import facts, record

from orchestrator.machines import facts as facts_of
from orchestrator.record import Record, Status
from orchestrator.results.answers import answers_of
from orchestrator.results.platform import by_kind, causes, explaining, libraries, of_exercises, properties

NARROW: dict[str, Any] = {"bits": 32, "long": 4}
WIDE: dict[str, Any] = {"bits": 64, "long": 8}


def on(boundary: str = "vm", **platform: Any) -> Record:
    return record(boundary=boundary, platform=platform)


def words(there: list[Record], here: list[Record]) -> list[str]:
    return [cause.words for cause in causes([*map(properties, here)], [*map(properties, there)])]


def test_properties_in_words() -> None:
    platform = {
        **NARROW, "byte_order": "big", "char_signed": False, "wchar_signed": True, "long_double": 64,
        "aligned": 4, "page_size": 65536, "kernel": "6.12.48+deb13-cloud-arm64", "libc": "musl 1.2.5",
    }  # fmt: skip
    assert properties(record(boundary="sandbox", platform=platform)) == {
        "byte order": "big",
        "size of long and pointers": "32 bits",
        "sign of char": "unsigned",
        "sign of wchar_t": "signed",
        "long double": "80 bits (x87)",
        "alignment of long long": "4 bytes",
        "page size": "64 KiB",
        "C library": "musl 1.2.5",
        "kernel": "6.12.48",
        "boundary": "sandbox",
    }


def test_a_machine_that_told_nothing_has_only_its_boundary() -> None:
    assert properties(record(boundary="vm")) == {"boundary": "a kernel of its own"}


def test_one_property_that_goes_with_the_difference_is_named_alone() -> None:
    little = [on(byte_order="little", **WIDE), on(byte_order="little", **NARROW)]
    assert words(little, [on(byte_order="big", **WIDE)]) == ["byte order (big, not little)"]


def test_all_properties_that_go_with_the_difference_are_named() -> None:
    one, other = on(byte_order="little", libc="musl 1.2.3"), on(byte_order="big", libc="musl 1.2.5")
    assert words([one, one], [other]) == [
        "byte order (big, not little)",
        "C library (musl 1.2.5, not musl 1.2.3)",
    ]


def test_nothing_is_claimed_where_no_property_goes_with_the_difference() -> None:
    alike = on(byte_order="little", **WIDE)
    assert words([alike, alike], [alike]) == []
    assert words([on(), on()], [on(byte_order="big")]) == []


def test_a_property_that_differs_everywhere_explains_nothing() -> None:
    kernels = [[{"kernel": "1"}, {"kernel": "2"}], [{"kernel": "3"}]]
    assert explaining(kernels) == ()
    assert explaining([[{"kernel": "1"}, {"kernel": "1"}], [{"kernel": "3"}]]) == ("kernel",)


@pytest.mark.parametrize("value", [None, [], {}, 1.5, float("nan")])
def test_facts_that_make_no_sense_explain_nothing(value: object) -> None:
    assert facts(raw={"byte_order": value, "bits": 32}).platform == {"bits": 32}


def test_facts_become_a_platform_of_bounded_values() -> None:
    assert set(facts(raw={"kernel": "x" * 999, "long": 10**99}).platform.values()) == {"x" * 100, 0}
    assert "features" not in facts_of.PLATFORM


def linked(machine: str, library: str, stdout: str = "", **platform: Any) -> Record:
    about = {"libc": library, **platform}
    return record(machine=machine, stdout=stdout, status=Status.PASS, exit_code=0, platform=about)


TWICE = [
    linked("arm64 musl", "musl 1.2.5", "8", **WIDE),
    linked("arm64 glibc", "glibc 2.36", "8", **WIDE),
    linked("armhf musl", "musl 1.2.5", "8", **NARROW),
    linked("armhf glibc", "glibc 2.36", "4", **NARROW),
    linked("riscv64 musl", "musl 1.2.5", "8", **WIDE),
    linked("riscv64 glibc", "glibc 2.41", "8", **WIDE),
]


def test_a_machine_that_answers_otherwise_with_another_library_differs_by_the_library() -> None:
    """No property goes with it: glibc is on both sides, and so are 32 bits."""
    (cause,) = answers_of(TWICE).causes(1)
    assert cause.words == "C library (glibc 2.36, not musl 1.2.5 on the same machines)"


def test_one_that_answers_otherwise_with_both_differs_by_something_else() -> None:
    other = [
        linked(f"s390x {name}", f"{name} 1", "9", byte_order="big", **WIDE) for name in ("musl", "glibc")
    ]
    little = [record(**{**vars(one), "platform": {**one.platform, "byte_order": "little"}}) for one in TWICE]
    found = answers_of([*(one for one in little if one.stdout == "8"), *other]).causes(1)
    assert [cause.name for cause in found] == ["byte order", "C library"]


def test_machines_with_one_library_are_no_twins() -> None:
    apart = [linked("arm64", "musl 1.2.5", "8"), linked("armhf", "musl 1.2.3", "4")]
    assert [cause.there for cause in answers_of(apart).causes(1)] == ["musl 1.2.5"]


def test_the_versions_of_two_libraries_in_words() -> None:
    assert by_kind(libraries(TWICE)) == "C libraries: musl 1.2.5; glibc 2.36, but 2.41 on riscv64"


def chosen(exercise: str, machine: str, library: str) -> Record:
    return record(exercise=exercise, machine=machine, platform={"libc": library})


def test_where_exercises_choose_the_library_those_of_the_fewer_are_named() -> None:
    usual = [chosen(name, "vm", "musl 1.2.5") for name in ("a", "b")]
    others = [chosen("c", "vm", "glibc 2.36"), chosen("c", "riscv64", "glibc 2.41")]
    assert of_exercises(usual) == "C library: musl 1.2.5"
    assert of_exercises([*others, *usual]) == ("C library: musl 1.2.5; for c glibc 2.36, but 2.41 on riscv64")
    assert of_exercises([chosen("c", "vm", "glibc 2.36"), usual[0]]) == (
        "C library: musl 1.2.5; for c glibc 2.36"
    )
