"""What measures: the header with which exercises measure costs, and the benchmark of grading."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from command import isolab
from habitat import Home, fresh_home

from orchestrator.paths import EXERCISES

pytestmark = pytest.mark.real

HEADER = EXERCISES / "cost" / "measure.h"
BUSY_MOMENT = """
/* An operation of two microseconds, on a host that is busy while the size of a batch is looked for. */
static void spin(int64_t ns)
{
    int64_t until = clock_now(CLOCK_PROCESS_CPUTIME_ID) + ns;
    while (clock_now(CLOCK_PROCESS_CPUTIME_ID) < until)
        ;
}

static void two_microseconds(void *with, uint32_t times)
{
    int *interrupted = with;
    if (times != 0 && (*interrupted)-- > 0)
        spin(2 * BATCH_NS);
    for (uint32_t i = 0; i < times; i++)
        spin(2000);
}

int main(void)
{
    int interrupted = 5;
    struct series found = measure(two_microseconds, &interrupted, 0);
    sort_batches(found.cost);
    printf("{\\"times\\": %lu, ", (unsigned long)found.times);
    printf("\\"lower_quartile\\": %.0f}\\n", found.cost[QUARTER]);
    return 0;
}
"""


@pytest.fixture
def home() -> Iterator[Home]:
    with fresh_home() as found:
        yield found


def test_a_busy_moment_makes_no_batch_of_one(home: Home) -> None:
    source = home.root / "busy.c"
    source.write_text(HEADER.read_text() + BUSY_MOMENT)
    answer = isolab(home, "try", source, "--on", "process", "--format", "json")
    found = json.loads(json.loads(answer.stdout)["answers"][0]["stdout"])
    assert found["times"] >= 32, "a batch of one is as short as the reading of the clocks around it"
    assert found["lower_quartile"] >= 2000


@pytest.mark.rotated
def test_grading_a_class_is_measured(home: Home) -> None:
    answer = isolab(home, "bench", "grade", "--submissions", "3", "--format", "json")
    assert answer.code == 0, answer.stderr
    rate, planned, first, memory, again, beside = json.loads(answer.stdout)
    assert rate["what"] == "grade, 3 submissions × 2 architectures: gradings per minute per core"
    assert rate["value"] > 0
    assert 0 < rate["detail"]["controller ms per grading"] < 1000 * rate["detail"]["seconds"]
    assert 0 < first["value"] < rate["detail"]["seconds"]
    assert 20 < memory["value"] < memory["target"]
    assert again["value"] > 0
    assert planned["value"] > 0
    assert beside["detail"]["alone"] > 0
    assert beside["value"] == beside["detail"]["beside"] / beside["detail"]["alone"]
