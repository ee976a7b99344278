"""Any text is a class, or refused with places inside it."""

from __future__ import annotations

from pathlib import Path

from class_files import HEAD, load
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.spec import ClassSpec
from orchestrator.errors import SpecError

KEYS = sorted(field.alias or name for name, field in ClassSpec.model_fields.items())
VALUES = [
    "a", "''", "5", "true", "null", "[]", "{}", "[a]", "{a: {}}", "{a: {driver: qemu}}", "[{lab: x}, 5]",
    "{network: off}", "{memory: 1B, disk: 0B}", '{listen: "a:b"}', "2027-01-01T00:00Z", '"a\\0b"', "4h",
    "{a: {driver: qemu, networks: {a: 10.0.0.1}}}", "group", ".", "..", "{late_days: 1}", "{due: 5}",
    "{a: {driver: qemu, arch: []}}", "{a: {driver: qemu, arch: [x, 5]}}", "[{lab: '.'}, {lab: ''}]",
]  # fmt: skip
lines = st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES)).map(": ".join)
texts = st.one_of(
    st.lists(lines, max_size=6).map("\n".join),
    st.lists(lines, max_size=3).map(lambda found: HEAD + "\n".join(found)),
    st.text(max_size=60).map(lambda text: text + "\n"),
    st.tuples(st.integers(0, len(HEAD)), st.lists(lines, max_size=3)).map(
        lambda two: HEAD[: two[0]] + HEAD[two[0] + 1 :] + "\n".join(two[1])
    ),
)


def outcome(folder: Path, text: str) -> LoadedClass | SpecError:
    try:
        return load(folder, text)
    except SpecError as wrong:
        return wrong


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts)
def test_any_text_is_a_class_or_told_where_it_is_not(tmp_path: Path, text: str) -> None:
    found = outcome(tmp_path, text)
    if isinstance(found, LoadedClass):
        assert len(found.seats) == 3
        assert all(machine.driver == "qemu" for machine in found.machines.lab.machines.values())
        return
    assert found.problems
    rows = text.count("\n") + 1
    for problem in found.problems:
        if problem.file == str(tmp_path / "class.yaml"):
            assert 1 <= problem.line <= rows
            assert 1 <= problem.column <= len(text) + 1
