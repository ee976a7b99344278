"""Disks that boot by themselves: what the boot loader and the maker of the disk are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.errors import ImageError, Unavailable
from orchestrator.images.export.bootdisk import (
    LONGEST_CMDLINE,
    DiskContents,
    bootable,
    render_configuration,
    render_options,
)


def test_the_loader_speaks_on_the_console_and_boots_at_once() -> None:
    assert render_configuration("console=ttyS0 quiet").splitlines() == [
        "SERIAL 0 115200",
        "PROMPT 0",
        "DEFAULT linux",
        "LABEL linux",
        "  LINUX /kernel",
        "  INITRD /initrd",
        "  APPEND console=ttyS0 quiet",
    ]


@pytest.mark.parametrize("cmdline", ["quiet\nLABEL other", "a\0b", "x" * (LONGEST_CMDLINE + 1)])
def test_a_command_line_that_cannot_be_is_refused(cmdline: str) -> None:
    with pytest.raises(ImageError, match="invalid kernel command line"):
        render_configuration(cmdline)


def test_a_root_file_system_becomes_the_second_partition() -> None:
    options = render_options(Path("sector"), Path("root.img"))
    assert options[-4:] == ["-append_partition", "2", "0x83", "root.img"]
    assert options[:-4] == render_options(Path("sector"), None)


def test_an_architecture_with_other_firmware_is_refused(tmp_path: Path) -> None:
    contents = DiskContents(tmp_path / "kernel", tmp_path / "initrd", "")
    with pytest.raises(Unavailable, match="for amd64 and i386, not s390x"):
        bootable(contents, ARCHITECTURES["s390x"], Archives(Deadline.after(1)), Deadline.after(1))
