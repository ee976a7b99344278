"""Which tests the outer guest runs, and how their results are read."""

from __future__ import annotations

import ast
import sys

from bench import UNDER_KVM
from inner import CONTRACT, Case, cases, of_kind, selection
from system import requirements

from orchestrator.paths import ROOT


def test_a_kind_is_selected_without_those_whose_names_are_longer() -> None:
    cold, clone = UNDER_KVM[:2]
    assert selection(cold).split(" and ") == [str(cold), f"not {clone}"]
    assert selection(clone) == str(clone)


def test_each_kind_is_told_its_own_results_and_no_others() -> None:
    names = [f"TestA.test_b[{kind}{more}]" for kind in UNDER_KVM for more in ("", "-SEGV")]
    found = [Case(name, "") for name in ["test_c", *names]]
    told = [[case.name for case in of_kind(kind, found)] for kind in UNDER_KVM]
    assert told == [names[:2], names[2:4], names[4:]]


def test_only_a_pass_is_no_trouble() -> None:
    tests = """<testsuites><testsuite>
        <testcase classname="m.TestA" name="good"/>
        <testcase classname="m.TestA" name="chatty"><system-out>words</system-out></testcase>
        <testcase classname="m" name="bad"><failure message="1 != 2">where</failure></testcase>
        <testcase classname="m" name="broken"><error message="no machine"/></testcase>
        <testcase classname="m" name="left out"><skipped message="no KVM"/></testcase>
    </testsuite></testsuites>"""
    assert {case.name: case.trouble.strip() for case in cases(tests)} == {
        "TestA.good": "",
        "TestA.chatty": "",
        "m.bad": "failure: 1 != 2\nwhere",
        "m.broken": "error: no machine",
        "m.left out": "skipped: no KVM",
    }


def test_the_outer_guest_has_every_package_that_the_contract_imports() -> None:
    ours = {path.stem for path in (ROOT / "tests").rglob("*.py")} | {"orchestrator"}
    bare = {text.split(">")[0].split("=")[0].lower() for text in requirements()}
    for name in (CONTRACT, "tests/conftest.py"):
        modules = {module.partition(".")[0] for module in _imported((ROOT / name).read_text())}
        assert modules - sys.stdlib_module_names - ours <= bare, name


def _imported(source: str) -> set[str]:
    """The modules that a source imports when it is loaded."""
    found = set()
    for statement in ast.parse(source).body:
        if isinstance(statement, ast.ImportFrom):
            found.add(statement.module or "")
        elif isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
    return found
