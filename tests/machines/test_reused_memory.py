"""Programs in memory that held others before: each runs as itself, whatever its emulator remembers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import Bench, Kind, living_in, on_bench, order_for, template_for
from consoles import keep_consoles
from habitat import Home, fresh_home

from orchestrator.compile.toolchain import compile_program, prepare
from orchestrator.deadline import Deadline
from orchestrator.debian.archive import Archives
from orchestrator.drivers.model import Template
from orchestrator.transport.base import Item

pytestmark = pytest.mark.real

SECONDS = 600.0
LARGE = """
__attribute__((used)) static char large[1500000] = {1};
"""
"""Memory that so large a file gives back is mostly taken by the same part of the next."""
SHORT = r"""
#include <stdio.h>

int main(void)
{
	return printf("short\n") < 0;
}
"""
LONG = r"""
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
	double sum = 1;
	int status = 0;
	pid_t child = fork();

	for (int i = 1; i < 50; i++)
		sum = sqrt(sum + i);
	if (child == 0)
		_exit(sum > 7 ? 3 : 4);
	if (child == -1 || waitpid(child, &status, 0) == -1)
		return 1;
	return printf("long %.3f %d\n", sum, WEXITSTATUS(status)) < 0;
}
"""
TURNS = """\
cd /work; wrong=0; turn=0
while [ $turn -lt 75 ]; do
    turn=$((turn + 1))
    for name in short long; do
        cp $name program
        said=$(./program 2>&1)
        [ "${said%% *}" = $name ] || wrong=$((wrong + 1))
        rm program
    done
done
echo $wrong of $turn
"""


@pytest.fixture(scope="module")
def home(request: pytest.FixtureRequest) -> Iterator[Home]:
    with fresh_home() as home, living_in(home):
        keep_consoles(request.session, home.root)
        yield home


@pytest.fixture(scope="module", params=["s390x", "arm64"])
def guest(home: Home, request: pytest.FixtureRequest) -> Iterator[Bench]:
    """The first has instructions that write many bytes at once (docs/adr/0048)."""
    kind = Kind("qemu", request.param, cloned=True)
    order = order_for(kind, home)
    template = template_for(order)
    assert isinstance(template, Template), f"{kind.arch} cannot be cloned: {template}"
    with on_bench(kind, replace(order, template=template)) as found:
        yield found


def test_a_program_in_the_place_of_another_is_itself(guest: Bench, tmp_path: Path) -> None:
    deadline, arch = Deadline.after(SECONDS), guest.order.arch
    toolchain = prepare(arch, Archives(deadline).suite(arch.suite), deadline)
    for name, source in (("short", SHORT), ("long", LONG)):
        file = tmp_path / f"{name}.c"
        file.write_text(source + LARGE)
        assert compile_program(arch, toolchain, [file], (), tmp_path / name, deadline) == ""
        guest.put(Item(name, (tmp_path / name).read_bytes(), 0o755, 0))
    # Not for ever: the shell, too, may run what is no longer there.
    done = guest.live.transport.run(["sh", "-c", TURNS], deadline=Deadline.after(120))
    assert (done.stdout, done.code) == (b"0 of 75\n", 0)
