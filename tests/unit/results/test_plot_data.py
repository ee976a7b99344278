"""Figures: what counts as one, how amounts read, where marks lie, and that they are no differences."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_up_figures import MEASURED, SEEN, a_measuring_run, figure
from made_up_run import HOSTILE

from orchestrator.exercises.measurement import Measurement, measurement_of
from orchestrator.report import measured, render
from orchestrator.report.html.plot import panels, scale_of
from orchestrator.report.quantities import amount, digits, ratio, spread, ticks, unit_of
from orchestrator.results.comparison import Table, compare
from orchestrator.results.plot_data import PlotData, plots_of

SVG_TEXT = "text"


def the_table() -> Table:
    return compare(a_measuring_run(), MEASURED)


def titled(title: str) -> PlotData:
    return next(each for each in plots_of(the_table()) if each.title == title)


class TestReadings:
    @pytest.mark.parametrize("value", [0.0081, 122880])
    def test_a_number_is_one_reading(self, value: float) -> None:
        assert measurement_of(value) == Measurement(value, value, value, 1, None)

    def test_an_object_has_a_median_its_quartiles_and_how_many(self) -> None:
        assert measurement_of(figure(10.0, wall=12.0, times=4096)) == Measurement(10.0, 9.0, 11.0, 15, 12.0)

    @pytest.mark.parametrize(
        "value",
        [
            {**figure(10.0), "median": "10"},
            None, True, "12", [], {}, 0, -1, float("inf"), float("nan"), figure(0.0), figure(-5.0),
            figure(10.0, q1=11.0), figure(10.0, q3=9.5), figure(10.0, n=0), figure(10.0, n=True),
            figure(10.0, n=1.5), figure(10.0, q1=None), {"median": 1.0, "n": 3},
        ],
    )  # fmt: skip
    def test_anything_else_is_none(self, value: Any) -> None:
        assert measurement_of(value) is None

    @given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), st.lists))
    def test_no_answer_of_a_guest_is_trouble(self, value: Any) -> None:
        for each in (value, {"median": value, "q1": value, "q3": value, "n": value, "wall": value}):
            reading = measurement_of(each)
            assert reading is None or 0 < reading.q1 <= reading.median <= reading.q3


class TestAmounts:
    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (6782, "ns", "6.78 µs"), (999.99, "ns", "1 µs"), (312.4, "ns", "312 ns"), (0.25, "ns", "0.25 ns"),
            (2.5e9, "ns", "2.5 s"), (0.0081, "s", "8.1 ms"), (75, "s", "75 s"), (1.5, "us", "1.5 µs"),
            (122880, "B", "120 KiB"), (90e6, "B", "85.8 MiB"), (1.4e9, "B/s", "1.3 GiB/s"),
            (12, "calls", "12 calls"), (500, "B", "500 B"), (12345, "calls", "12345 calls"),
            (1e30, "s", f"{1e30:.0f} s"),
        ],
    )  # fmt: skip
    def test_they_have_three_digits_and_a_unit_that_fits(self, value: float, unit: str, text: str) -> None:
        assert amount(value, unit_of(unit)) == text

    def test_quartiles_are_in_the_unit_of_the_median(self) -> None:
        assert spread(900, 1100, 1300, unit_of("ns")) == "0.9–1.3"

    @pytest.mark.parametrize(
        ("times", "text"),
        [(1, "×1"), (0.99, "×1"), (1.01, "×1"), (12.34, "×12"), (0.5, "÷2"), (2966, "×2966")],
    )
    def test_ratios_are_factors(self, times: float, text: str) -> None:
        assert ratio(times) == text

    @given(st.floats(min_value=1e-12, max_value=1e15))
    def test_digits_are_a_number_near_the_value(self, value: float) -> None:
        assert abs(float(digits(value)) - value) <= 0.006 * value
        assert "e" not in digits(value)

    @given(st.floats(1e-9, 1e12), st.floats(6, 1e9), st.sampled_from(["ns", "s", "B", "B/s", "calls"]))
    def test_a_scale_has_a_few_round_amounts_within_it(self, low: float, times: float, unit: str) -> None:
        found = ticks(low, low * times, unit_of(unit))
        assert 2 <= len(found) <= 4
        assert all(low * 0.999 <= value <= low * times * 1.001 for value in found)
        first = {
            amount(value, unit_of(unit)).split(" ")[0].lstrip("0.").rstrip("0").rstrip(".") for value in found
        }
        assert first <= {"1", "2", "5"}

    @pytest.mark.parametrize(
        ("low", "high", "unit", "labels"),
        [
            (0.9, 6, "us", ["1 µs", "2 µs", "5 µs"]),
            (300, 3000, "us", ["500 µs", "1 ms", "2 ms"]),
            (3, 900, "ms", ["10 ms", "100 ms"]),
            (100 * 2**10, 600 * 2**10, "B", ["100 KiB", "200 KiB", "500 KiB"]),
            (300 * 2**20, 3 * 2**30, "B/s", ["500 MiB/s", "1 GiB/s", "2 GiB/s"]),
            (2e9, 1.5e10, "calls", ["2000000000 calls", "5000000000 calls", "10000000000 calls"]),
        ],
    )
    def test_ticks_are_amounts_that_people_use(
        self, low: float, high: float, unit: str, labels: list[str]
    ) -> None:
        assert [amount(value, unit_of(unit)) for value in ticks(low, high, unit_of(unit))] == labels

    def test_long_labels_are_fewer(self) -> None:
        assert len(ticks(1, 10, unit_of("s"), 0.2)) == 4
        assert len(ticks(1, 10, unit_of("s"), 0.6)) == 2


class TestFiguresOfATable:
    def test_they_come_in_the_order_of_the_lab_with_a_mark_for_each_machine(self) -> None:
        found = plots_of(the_table())
        assert [each.title for each in found] == [
            "Until it answers", "Memory it takes", "There & back", "One way",
        ]  # fmt: skip
        assert [machine.name for machine in the_table().machines] == ["process", "sandbox", "vm", "s390x"]
        assert all(len(group.marks) == 4 for each in found for group in each.series)

    def test_a_mark_is_compared_with_the_first_machine_that_has_one(self) -> None:
        process, sandbox, vm, s390x = titled("There & back").series[0].marks
        assert process.ratio is None
        assert sandbox.ratio == pytest.approx(6800 / 6782)
        assert (vm.measurement, vm.reported) == (None, "(skip)")
        assert s390x.ratio == pytest.approx(715_000 / 6782)

    def test_where_there_is_no_figure_stands_what_was_said(self) -> None:
        _, sandbox, _, s390x = titled("There & back").series[1].marks
        assert (sandbox.measurement, sandbox.reported) == (None, "blocked (EACCES)")
        assert s390x.measurement is None
        assert s390x.reported.isprintable()

    def test_the_controllers_own_tell_how_the_machine_came_up(self) -> None:
        marks = titled("Until it answers").series[0].marks
        assert [mark.reported for mark in marks] == ["", "", "(not run)", "clone"]
        assert [mark.reported for mark in titled("One way").series[0].marks] == ["", "", "(skip)", ""]


class TestInTheComparison:
    def test_figures_are_no_rows_for_they_would_all_differ(self) -> None:
        assert the_table().rows == ()

    def test_what_an_exercise_observes_besides_still_is(self) -> None:
        records = a_measuring_run()
        records[1].observations["one_processor"] = True  # type: ignore[index]
        try:
            assert [row.key for row in compare(records, MEASURED).rows] == ["one_processor"]
        finally:
            del SEEN["process"]["cost/ipc"]["one_processor"]


class TestPictures:
    def svgs(self, title: str) -> list[ET.Element]:
        return [ET.fromstring(each) for each in panels(titled(title), 1, the_table().machines)]

    def test_there_is_one_for_each_group_and_it_says_what_it_shows(self) -> None:
        pipe, queue = self.svgs("There & back")
        names = {each.get("id"): each.text for each in [*pipe.iter("title"), *pipe.iter("desc")]}
        assert names[pipe.get("aria-labelledby")] == "There & back: Pipe"
        assert names[pipe.get("aria-describedby")] == (
            "process 6.78 µs; sandbox 6.8 µs; vm (skip); s390x 715 µs"
        )
        assert pipe.get("role") == "img"
        assert "Queue <1>" in [each.text for each in queue.iter(SVG_TEXT)]

    def test_a_machine_has_a_mark_a_bar_and_its_amount_or_the_reason_why_not(self) -> None:
        (pipe, queue) = self.svgs("There & back")
        process, _, vm, s390x = pipe.findall("g")
        assert [each.get("class") for each in process] == ["who", "bar", "dot", "amount"]
        assert [each.get("class") for each in vm] == ["who", "none"]
        assert "".join(s390x[3].itertext()) == "715 µs ×105"
        assert queue.findall("g")[1][1].text == "blocked (EACCES)"

    def test_one_reading_has_no_bar_for_its_spread_is_unknown(self) -> None:
        (start,) = self.svgs("Until it answers")
        assert [each.get("class") for each in start.findall("g")[0]] == ["who", "dot", "amount"]

    def test_marks_lie_in_the_order_of_their_amounts_on_the_same_scale_for_all(self) -> None:
        pipe, queue = self.svgs("There & back")

        def place(row: ET.Element) -> float:
            amount = row.find("*[@class='amount']")
            assert amount is not None
            return float(str(amount.get("x")))

        process, sandbox, _, s390x = pipe.findall("g")
        assert place(process) < place(sandbox) < place(s390x)
        assert place(sandbox) < place(queue.findall("g")[0]) < place(s390x)
        assert pipe.find("*[@class='rule']").get("d") == queue.find("*[@class='rule']").get("d")  # type: ignore[union-attr]

    def test_nothing_lies_outside(self) -> None:
        for each in self.svgs("One way"):
            right = float(str(each.get("viewBox")).split()[2])
            assert all(0 <= float(str(text.get("x"))) < right for text in each.iter(SVG_TEXT))

    def test_a_figure_nobody_has_is_words_only(self) -> None:
        records = [one for one in a_measuring_run() if one.machine == "vm"]
        (figure_, *_) = plots_of(compare(records, {"cost/ipc": MEASURED["cost/ipc"]}))
        assert scale_of(figure_) is None
        (pipe, _) = panels(figure_, 1, compare(records, MEASURED).machines)
        assert "(skip)" in pipe

    def test_a_small_difference_does_not_look_large(self) -> None:
        scale = scale_of(titled("Memory it takes"))
        assert scale is not None
        one = compare([one for one in a_measuring_run() if one.machine == "process"], MEASURED)
        alone = scale_of(plots_of(one)[0])
        assert alone is not None
        assert alone.high / alone.low == pytest.approx(6.0)

    def test_what_a_guest_says_is_text(self) -> None:
        page = render("html", compare(a_measuring_run(), MEASURED))
        assert HOSTILE not in page
        assert "<script>alert(1)" not in page


def test_every_report_has_the_amounts_and_the_quartiles() -> None:
    for form in ("text", "markdown"):
        report = render(form, compare(a_measuring_run(), MEASURED))
        assert re.search(r"6\.78 µs \(6\.1–7\.46", report), form
        assert "blocked (EACCES)" in report
        assert "15 readings each" in report
    assert "wall 7.2 µs" in render("markdown", compare(a_measuring_run(), MEASURED))
    assert "one reading each, so no spread" in render("text", compare(a_measuring_run(), MEASURED))


def test_other_programs_get_the_readings_themselves() -> None:
    report = json.loads(render("json", compare(a_measuring_run(), MEASURED)))
    pipe = next(each for each in report["measured"] if each["key"] == "pipe")
    assert (pipe["exercise"], pipe["unit"], pipe["better"]) == ("cost/ipc", "ns", "lower")
    assert pipe["readings"]["process"] == figure(6782.0, wall=7200.0)
    assert pipe["readings"]["vm"] == "(skip)"


def test_how_many_readings_is_said_once() -> None:
    assert measured.extent(titled("There & back")) == "15 readings each"
    assert measured.extent(titled("Memory it takes")) == "one reading each, so no spread"
