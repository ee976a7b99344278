"""The pages as HTML: every string is made printable and escaped by the templates' environment."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from jinja2 import Environment
from starlette.responses import HTMLResponse, Response

from orchestrator.classes.web.assets import part
from orchestrator.classes.web.site import Site
from orchestrator.report.html.self_contained import environment

_REFUSED = {
    401: (
        "Open your personal link",
        "You are not signed in here, or your link has ended. Open the link that your lecturer gave you;"
        " if it does not work any more, ask for another one.",
    ),
    403: ("This is not yours", "You are signed in, but what you asked for belongs to somebody else."),
    404: ("There is no such page", "The address may be mistyped."),
    429: (
        "Too many wrong links",
        "Wait a minute, then open your link again. Check that the whole link was copied.",
    ),
}


@cache
def _templates() -> Environment:
    made = environment(part)
    made.filters["moment"] = moment
    return made


def moment(when: datetime | None) -> str:
    """Return a time for people: the server's own time zone, to the minute."""
    return when.astimezone().strftime("%a %d %b %Y, %H:%M") if when else ""


def page(site: Site, template: str, status: int = 200, **about: object) -> HTMLResponse:
    """Return a page of the class."""
    title = site.found.spec.title or site.found.name
    versions = {name: asset.tag for name, asset in site.assets.items()}
    text = _templates().get_template(template).render(class_title=title, versions=versions, **about)
    return HTMLResponse(text, status)


def refusal(site: Site, status: int) -> Response:
    """Return the page that says why somebody is not let in, and what to do."""
    title, text = _REFUSED[status]
    return page(site, "refused.html.j2", status, title=title, text=text)
