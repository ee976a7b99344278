"""Memory of a process that stands still: which of its pages are its own."""

from __future__ import annotations

import array

from hypothesis import given
from hypothesis import strategies as some

from orchestrator.drivers.qemu.thaw.memory_map import GAP, Mapping, parse, runs

PRESENT, SWAPPED, OF_A_FILE = 1 << 63, 1 << 62, 1 << 61
MAPS = """\
55716644a000-557167050000 rw-p 00000000 00:00 0                          [heap]
7f3206584000-7f32066b2000 r-xp 0002a000 fe:00 1234                       /usr/lib/a library.so
7f3214000000-7f3215a00000 ---p 00000000 00:00 0
"""


def test_maps() -> None:
    heap, library, guard = parse(MAPS)
    assert heap == Mapping(0x55716644A000, 0x557167050000, "rw-p", 0, 0, "[heap]")
    assert (library.name, library.inode, library.offset) == ("/usr/lib/a library.so", 1234, 0x2A000)
    assert [one.protection for one in (heap, library, guard)] == [3, 5, 0]
    assert guard.name == ""


def pages(*entries: int) -> array.array[int]:
    return array.array("Q", entries)


def test_pages_of_nobody_are_left_out() -> None:
    assert list(runs(pages(0, 0, 0), mine=False)) == []


def test_swapped_pages_count_as_well() -> None:
    assert list(runs(pages(*[0] * 3, SWAPPED, PRESENT), mine=False)) == [(3, 5)]


def test_of_a_file_only_what_was_written() -> None:
    entries = pages(PRESENT | OF_A_FILE, PRESENT, PRESENT | OF_A_FILE)
    assert list(runs(entries, mine=True)) == [(1, 2)]
    assert list(runs(entries, mine=False)) == [(0, 3)]


def test_small_gaps_do_not_make_two_of_one() -> None:
    near, far = [0] * (GAP - 1), [0] * GAP
    assert list(runs(pages(PRESENT, *near, PRESENT), mine=False)) == [(0, GAP + 1)]
    assert list(runs(pages(PRESENT, *far, PRESENT), mine=False)) == [(0, 1), (GAP + 1, GAP + 2)]


@given(
    some.lists(some.sampled_from([0, PRESENT, PRESENT | OF_A_FILE, SWAPPED]), max_size=400), some.booleans()
)
def test_every_page_of_its_own_is_in_one_run(entries: list[int], mine: bool) -> None:
    found = list(runs(pages(*entries), mine))
    covered = [page for first, after in found for page in range(first, after)]
    assert covered == sorted(set(covered))
    for number, entry in enumerate(entries):
        if entry & (PRESENT | SWAPPED) and not (mine and entry & OF_A_FILE):
            assert number in covered
