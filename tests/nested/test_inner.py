"""Which tests the outer guest runs, and how their results are read."""

from __future__ import annotations

from bench import UNDER_KVM
from inner import cases, selection


def test_a_kind_is_selected_without_those_whose_names_are_longer() -> None:
    cold, clone = UNDER_KVM[:2]
    assert selection(cold).split(" and ") == [str(cold), f"not {clone}"]
    assert selection(clone) == str(clone)


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
