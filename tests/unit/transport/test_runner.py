"""The runner's report and the machine's facts: believed only as far as they make sense."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from factories import SITE, FakeTransport, answer, facts
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.deadline import Deadline
from orchestrator.errors import LabError, TransportError
from orchestrator.labfile.models import User
from orchestrator.machines import facts as facts_of
from orchestrator.transport import runner
from orchestrator.transport.base import Site
from orchestrator.transport.runner import ProcessResult, parse, run_program

SURPRISES: list[Any] = [None, True, -1, 10**400, float("inf"), float("nan"), "x", [], {}, "1" * 5000]
GOOD_FACTS: dict[str, Any] = {
    "kernel": "6.1.0",
    "machine": "s390x",
    "bits": 64,
    "byte_order": "big",
    "page_size": 4096,
    "cpus": 1,
    "spin_us": 20000,
    "features": {"userns": "", "landlock": "too old"},
}


def test_a_report_reads_back() -> None:
    ending = parse(answer(b"out", b"err", exit=3, wall_us=1_500_000))
    assert ending == ProcessResult(3, None, "", "", 1.5, "out", "err", False, ending.out, ending.err)
    assert (ending.out.size, ending.out.sha256) == (3, hashlib.sha256(b"out").hexdigest())


def test_a_signal_and_what_it_was_for() -> None:
    ending = parse(answer(exit=None, signal="SIGKILL", killed_for="timeout"))
    assert (ending.exit_code, ending.signal, ending.killed_for) == (None, "SIGKILL", "timeout")


@given(st.binary(max_size=200), st.binary(max_size=200), st.integers(0, 10**6), st.integers(0, 10**6))
def test_any_output_survives(out: bytes, err: bytes, more_out: int, more_err: int) -> None:
    totals = {"stdout_total": len(out) + more_out, "stderr_total": len(err) + more_err}
    ending = parse(answer(out, err, **totals))
    assert ending.stdout == out.decode(errors="replace")
    assert ending.stderr == err.decode(errors="replace")
    assert ending.cut == (more_out + more_err > 0)


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_transport_error_at_worst(raw: bytes) -> None:
    with pytest.raises(TransportError):
        parse(raw)


@pytest.mark.parametrize("surprise", SURPRISES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("key", list(json.loads(answer().split(b"\n")[0])))
def test_a_surprising_value_is_understood_or_refused(key: str, surprise: Any) -> None:
    try:
        ending = parse(answer(**{key: surprise}))
    except TransportError as refused:
        assert len(refused.message) < 1000  # noqa: PT017 - either is right
    else:
        json.dumps(ending.seconds, allow_nan=False)
        assert all(len(word) <= 300 for word in (ending.signal or "", ending.killed_for, ending.start_error))


@pytest.mark.parametrize(
    "head",
    [b"{" * 100_000, b"[" * 100_000, b"", b"[]", b"7", b'{"stdout": 1}', b"\xff\xfe"],
    ids=lambda head: repr(head)[:12],
)
def test_nonsense_is_refused(head: bytes) -> None:
    with pytest.raises(TransportError, match="invalid report"):
        parse(head + b"\n")
    with pytest.raises(TransportError, match="invalid facts"):
        facts_of.parse(head)


@pytest.mark.parametrize("change", [{"stdout": 4}, {"stdout": 2}, {"stdout": -1, "stderr": 4}])
def test_lengths_must_add_up(change: dict[str, Any]) -> None:
    with pytest.raises(TransportError):
        parse(answer(b"out", **change))


def run(transport: FakeTransport, site: Site = SITE, user: User = User.STUDENT) -> ProcessResult:
    return run_program(
        transport,
        site,
        ["/bin/echo", "--", "a b"],
        user=user,
        folder="/work/x",
        timeout=1.5,
        output_limit=100,
        env={"A": "1 2"},
        deadline=Deadline.after(1000),
        stdin=b"abc",
    )


def test_the_runner_is_told_everything_and_the_program_comes_last() -> None:
    transport = FakeTransport([answer(b"hi")])
    assert run(transport).stdout == "hi"
    (argv,) = transport.asked
    options = argv[1 : argv.index("--")]
    assert argv[0] == SITE.runner[0]
    assert argv[argv.index("--") + 1 :] == ["/bin/echo", "--", "a b"]
    wanted = {
        "--dir": "/work/x",
        "--timeout": "1500",
        "--output": "100",
        "--user": "1000:1000",
        "--stdin": "3",
        "--env": "A=1 2",
    }
    assert dict(zip(options[::2], options[1::2], strict=True)) == wanted


def test_what_is_executed_and_how_long_it_may_compute_are_said_where_asked() -> None:
    transport = FakeTransport([answer()])
    run_program(
        transport, SITE, ["./a"], user=User.STUDENT, folder="/work/x", timeout=1, output_limit=1, env={},
        deadline=Deadline.after(1000), file="/bin/qemu", processor=2.5,
    )  # fmt: skip
    (argv,) = transport.asked
    assert argv[argv.index("--exec") + 1] == "/bin/qemu"
    assert argv[argv.index("--processor") + 1] == "2500"


def test_the_user_is_switched_only_where_it_must_be() -> None:
    transport = FakeTransport([answer()])
    run(transport, user=User.ROOT)
    run(transport, Site(("run",), "/work", {"student": 7}, switch=False))
    assert all("--user" not in argv for argv in transport.asked)


def test_the_runner_gets_a_little_longer_than_the_program() -> None:
    transport = FakeTransport([answer()])
    run(transport)
    assert 1.5 < transport.deadlines[0] <= 1.5 + runner.GRACE


def test_a_runner_that_fails_is_not_the_programs_fault() -> None:
    with pytest.raises(TransportError, match="status 125: run: no such folder"):
        run(FakeTransport([b""], code=125, stderr=b"run: no such folder\n"))


def test_facts_read_back() -> None:
    found = facts_of.parse(json.dumps({**GOOD_FACTS, "extra": [1]}).encode())
    assert (found.kernel, found.machine, found.bits, found.byte_order) == ("6.1.0", "s390x", 64, "big")
    assert found.features == {"userns": "", "landlock": "too old"}
    assert found.raw["extra"] == [1]


@given(st.binary(max_size=300))
def test_arbitrary_facts_are_refused(raw: bytes) -> None:
    with pytest.raises(TransportError):
        facts_of.parse(raw)


@pytest.mark.parametrize("surprise", SURPRISES, ids=lambda value: repr(value)[:12])
@pytest.mark.parametrize("key", list(GOOD_FACTS))
def test_facts_with_surprises_stay_usable_or_are_refused(key: str, surprise: object) -> None:
    try:
        found = facts_of.parse(json.dumps({**GOOD_FACTS, key: surprise}).encode())
    except LabError as refused:
        assert isinstance(refused, TransportError)  # noqa: PT017 - either is right
    else:
        assert 1 <= found.slowness <= facts_of.MAX_FACTOR
        assert found.kernel_at_least(">=2.6") in (True, False)


@pytest.mark.parametrize(("spin", "slowness"), [(1.0, 1.0), (4000.0, 1.0), (40_000.0, 10.0), (1e9, 100.0)])
def test_slowness_is_bounded_on_both_sides(spin: float, slowness: float) -> None:
    assert facts(spin_us=spin).slowness == slowness


@pytest.mark.parametrize(
    ("kernel", "wanted", "enough"),
    [
        ("6.12.1-amd64", ">=6.12", True),
        ("6.12.1", ">=6.12.2", False),
        ("6.2", ">=6.12", False),
        ("10.0", ">=9.9.9", True),
        ("5.4.0-s390x", ">=5.4.0", True),
        ("", ">=1", False),
        ("unknown", ">=2.6", False),
    ],
)
def test_kernel_versions_compare_as_numbers(kernel: str, wanted: str, enough: bool) -> None:
    assert facts(kernel=kernel).kernel_at_least(wanted) is enough
