"""The lecturer's page of a class: points, tests, and all that somebody should look at."""

from __future__ import annotations

from orchestrator.gradebook.histogram import histogram_svg
from orchestrator.gradebook.lecturer_overview import overview_of
from orchestrator.gradebook.pages import page
from orchestrator.gradebook.statistics import LEAST
from orchestrator.grading.model import Gradebook
from orchestrator.report import wording


def lecturer_html(book: Gradebook) -> str:
    """Return the page as an HTML document, with the names the gradebook has: pseudonyms, if it has those.

    It shows hidden tests. Its tables are sorted by a click or the keyboard; without scripts they are as they
    were made. Raises OSError for a skeleton that cannot be read.
    """
    overview = overview_of(book)
    plots = [
        histogram_svg(each.bins, f"points-{number}", f"Points in {each.name}")
        for number, each in enumerate(overview.exercises, start=1)
    ]
    return page(
        "lecturer.html.j2",
        sortable=True,
        overview=overview,
        total=histogram_svg(overview.bins, "points-0", "Points in all exercises"),
        exercises=list(zip(overview.exercises, plots, strict=True)),
        least=LEAST,
        number=wording.number,
    )
