"""The C library of real toolchains: the same version on every architecture, and the same declarations."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.arch import ARCHITECTURES
from orchestrator.compile.toolchain import compile_program, libc_version, prepare
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives

pytestmark = pytest.mark.real

PROGRAM = """\
#include <fts.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
int main(void)
{
	char *folders[] = {"/", 0};
	FTS *tree = fts_open(folders, FTS_PHYSICAL, 0);
	return !tree || fts_close(tree) || renameat2(-1, "a", -1, "b", 0) == 0;
}
"""


def test_every_architecture_has_the_same(tmp_path: Path) -> None:
    archives, deadline = Archives(Deadline.after(1800)), Deadline.after(1800)
    (tmp_path / "uses.c").write_text(PROGRAM)
    for arch in ARCHITECTURES.values():
        toolchain = prepare(arch, archives.suite(arch.suite), deadline)
        words = compile_program(arch, toolchain, [tmp_path / "uses.c"], (), tmp_path / arch.name, deadline)
        assert words == "", arch.name
    versions = {libc_version(arch) for arch in ARCHITECTURES.values()}
    assert len(versions) == 1
    assert versions != {""}
