"""What every HTML page of isolab shares: it loads nothing, and all that it shows is printable and escaped.

Every string is made printable and escaped in one place, the environment, and the policy allows one style and
at most one script, by their hashes: injected markup would do nothing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.formatting import printable


def environment(part: Callable[[str], str]) -> Environment:
    """Return the environment of a page whose templates ``part`` returns by their names."""
    made = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
        loader=FunctionLoader(part),
    )
    made.filters["breakable"] = _breakable
    return made


def part(name: str) -> str:
    """Return a file of this package: the style, the script or a template of the report."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def policy(style: str, script: str = "") -> str:
    """Return the Content-Security-Policy (W3C, Level 3): only this style and script, and nothing may load."""
    scripts = f"script-src '{_hash(script)}'; " if script else ""
    return f"default-src 'none'; style-src '{_hash(style)}'; {scripts}base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _breakable(name: str) -> Markup:
    """Return an exercise's name, which may wrap after its topic."""
    return Markup("/<wbr>").join(printable(name).split("/"))


def _shown(value: object) -> object:
    """Make any expression of the templates printable, before it is escaped."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, keep="\n\t")
    return value
