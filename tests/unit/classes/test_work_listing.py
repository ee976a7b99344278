"""What a machine says is in a home folder: read as it was printed, and chosen within limits."""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

import pytest
from class_work import item
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.classes.work import listing
from orchestrator.classes.work.chosen import Limits, chosen
from orchestrator.classes.work.listing import Item, parse_listing, render_script
from orchestrator.deadline import Deadline
from orchestrator.errors import TransportError
from orchestrator.host import process

FOLDER, LINK, FIFO = 0o40755, 0o120777, 0o10644


def times(one: Item) -> tuple[int, int, int]:
    return one.modified, one.changed, one.inode


def listed(*items: Item) -> bytes:
    lines = [
        b"//%x %d %b %d %d %d ./%s\n"
        % (i.mode, i.size, b"?" if i.blocks is None else b"%d" % i.blocks, *times(i), os.fsencode(i.path))
        for i in items
    ]
    return b"1700000000\n" + b"".join(lines)


def ran(home: Path, *first: str, only: bool = False) -> dict[str, Item]:
    argv = ["/bin/sh", "-c", render_script(first, only=only), "sh", str(home)]
    done = process.run(argv, deadline=Deadline.after(30))
    return {one.path: one for one in parse_listing(done.stdout).items}


class TestTheScript:
    def test_sees_every_kind_of_entry_and_any_name(self, tmp_path: Path) -> None:
        (tmp_path / "a b/c").mkdir(parents=True)
        (tmp_path / "a b/c/-C").write_text("four")
        (tmp_path / "line\nbreak").write_text("")
        (tmp_path / os.fsdecode(b"\xff//"[:1])).write_text("")
        (tmp_path / "link").symlink_to("/etc/passwd")
        os.mkfifo(tmp_path / "fifo")
        found = ran(tmp_path)
        assert set(found) == {"a b", "a b/c", "a b/c/-C", "line\nbreak", "\udcff", "link", "fifo"}
        assert (found["a b/c/-C"].size, found["a b/c/-C"].is_file) == (4, True)
        assert found["a b"].is_folder
        assert not found["link"].is_file
        assert not found["fifo"].is_file

    def test_leaves_out_keys_and_what_programs_make_again(self, tmp_path: Path) -> None:
        for name in (".ssh", ".cache", "lost+found", "work/.ssh"):
            (tmp_path / name).mkdir(parents=True)
            (tmp_path / name / "file").write_text("")
        assert set(ran(tmp_path)) == {"work", "work/.ssh", "work/.ssh/file"}

    def test_begins_with_the_labs_and_can_end_with_them(self, tmp_path: Path) -> None:
        for name in ("aaa", "lab", "zzz"):
            (tmp_path / name).mkdir()
            (tmp_path / name / "file").write_text("")
        names = list(ran(tmp_path, "lab", "absent"))
        assert names[:2] == ["lab", "lab/file"]
        assert set(names) == {"lab", "lab/file", "aaa", "aaa/file", "zzz", "zzz/file"}
        assert set(ran(tmp_path, "lab", only=True)) == {"lab", "lab/file"}

    def test_of_no_labs_nothing_is_listed(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        assert ran(tmp_path, only=True) == {}

    def test_sees_what_of_a_file_is_data(self, tmp_path: Path) -> None:
        with (tmp_path / "sparse").open("wb") as file:
            file.write(b"x")
            file.truncate(2**31)
        found = ran(tmp_path)["sparse"]
        assert found.size == 2**31
        assert 0 < found.stored < 2**20

    def test_follows_no_link_in_place_of_a_lab(self, tmp_path: Path) -> None:
        (tmp_path / "lab").symlink_to("/etc")
        assert set(ran(tmp_path, "lab", only=True)) == {"lab"}


class TestParsing:
    @settings(max_examples=40)
    @given(st.lists(st.text(st.characters(exclude_characters="/\0", codec="utf-8"), min_size=1), unique=True))
    def test_what_was_printed_is_read(self, names: list[str]) -> None:
        items = [item(name, number) for number, name in enumerate(names) if name != "."]
        assert list(parse_listing(listed(*items)).items) == items

    @settings(max_examples=60)
    @given(st.binary(max_size=200))
    def test_anything_else_does_no_harm(self, noise: bytes) -> None:
        for one in parse_listing(b"12\n//81a4 1 8 2 3 4 ./x\n" + noise).items:
            assert one.path
            assert one.size >= 0

    def test_without_the_clock_it_is_refused(self) -> None:
        with pytest.raises(TransportError, match="invalid list"):
            parse_listing(b"motd\n//81a4 1 8 2 3 4 ./x\n")

    def test_a_list_that_was_cut_is_not_complete(self) -> None:
        line = b"//81a4 1 8 2 3 4 ./name\n"
        with patch.object(listing, "MOST_BYTES", 54):
            cut = parse_listing(b"12\n" + (line + line.replace(b"name", b"more") * 9)[:54])
            assert ([one.path for one in cut.items], cut.complete) == (["name", "more"], False)
            assert parse_listing(b"12\n" + line).complete


class TestChoosing:
    def test_only_plain_files_under_plain_names_are_taken(self) -> None:
        bad = [
            item("../etc"),
            item("a/../../b"),
            item("/etc/passwd"),
            item("a//b"),
            item("line\nbreak"),
            item("link", mode=LINK),
            item("fifo", mode=FIFO),
            item("/".join("d" * 70)),
            item("n" * 256),
        ]
        found = chosen([item("fine"), item("d", mode=FOLDER), *bad], Limits(100), ())
        assert [one.path for one in found.files] == ["fine"]
        assert found.folders == ("d",)
        assert len(found.skipped) == len(bad)
        assert all(words.isprintable() for words in found.skipped)
        never = {words.partition(":")[0] for words in {*found.skipped} - {*found.missed}}
        assert never == {"link", "fifo"}

    def test_what_goes_beyond_the_limit_is_told_and_labs_come_first(self) -> None:
        items = [item("huge", 2**40), item("big", 60), item("small", 10), item("lab/x", 50)]
        found = chosen(items, Limits(100), ["lab"])
        assert [one.path for one in found.files] == ["lab/x", "small"]
        assert [words.partition(":")[0] for words in found.skipped] == ["big", "huge"]

    def test_no_more_files_than_allowed(self) -> None:
        found = chosen([item(f"{number}") for number in range(5)], Limits(100, files=3), ())
        assert (len(found.files), len(found.skipped)) == (3, 2)

    def test_of_a_sparse_file_only_the_data_counts_if_holes_are_taken(self) -> None:
        sparse = Item("sparse", 0o100644, 2**31, 1, 1, 1, blocks=8)
        assert chosen([sparse], Limits(10_000), ()).missed
        found = chosen([sparse, item("more", 6000)], Limits(10_000, holes=2**32), ())
        assert ([one.path for one in found.files], found.missed) == (
            ["sparse"],
            ("more: 6000 bytes, and 10000 bytes are taken in all",),
        )
        huge = Item("huge", 0o100644, 2**40, 1, 1, 1, blocks=8)
        assert "of holes" in chosen([huge], Limits(10_000, holes=2**32), ()).missed[0]

    def test_a_line_break_in_a_name_is_taken_where_any_name_is(self) -> None:
        found = chosen([item("a\nb"), item("a\x01b")], Limits(9, any_name=True), ())
        assert [one.path for one in found.files] == ["a\nb"]
        assert len(found.missed) == 1
