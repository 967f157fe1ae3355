"""From the page's values to one HTML text: templates, style and script in a single file that loads nothing."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

import exvivo
from exvivo.figures.svg import shorten, stylesheet
from exvivo.figures.words import fixed
from exvivo.report.images import Thumbnails
from exvivo.report.wells import script_json

TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = ("page.js", "table.js", "wells.js")
RESEARCH_USE = (
    "For research use. exvivo is research software that supports a decision made by people; it is not a medical "
    "device, and this report is not a treatment recommendation."
)


@dataclass(frozen=True)
class Section:
    """One section: `id` names its template and its place in the page, `short` its entry in the list."""

    id: str
    short: str
    content: Any
    count: str = ""


@dataclass(frozen=True)
class ImageScale:
    """How images are shown, in words."""

    light: str
    black: str
    full: str
    reason: str

    @classmethod
    def of(cls, images: Thumbnails) -> ImageScale:
        """The scale of a set of thumbnails."""
        return cls("461 nm light", f"{images.black:,.0f}", f"{images.full:,.0f}", images.reason)


@dataclass(frozen=True)
class Page:
    """Everything the outer template needs."""

    screen: str
    title: str
    word: str
    held: bool
    sections: list[Section]
    images: ImageScale
    with_images: bool
    data: Markup
    style: Markup
    script: Markup
    policy: str
    facility: str = ""
    contact: str = ""
    version: str = exvivo.__version__
    research_use: str = RESEARCH_USE


def page_texts(data: Any) -> dict[str, Any]:
    """Style, script, data and the policy that allows just these: the same in every report but for the data.

    The policy (a Content-Security-Policy) lets the browser run the one script and use the one style whose
    digests it names, show images that are inside the page, and nothing else: whatever a drug is called.
    """
    return page_parts([TEMPLATES / "report.css"], [TEMPLATES / name for name in _SCRIPTS], data)


def page_parts(styles: Sequence[Path], scripts: Sequence[Path], data: Any) -> dict[str, Any]:
    """As `page_texts`, of any style sheets (beside that of the figures) and scripts."""
    style = stylesheet() + "\n".join(path.read_text(encoding="utf-8") for path in styles)
    script = "\n".join(path.read_text(encoding="utf-8") for path in scripts)
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return {
        "style": Markup(style),
        "script": Markup(script),
        "data": Markup(script_json(data)),
        "policy": policy,
    }


def render(page: Page) -> str:
    """The HTML text of a page; every value that is not our own markup is escaped."""
    return environment().get_template("report.html.j2").render(page=page)


@cache
def environment(*folders: Path) -> Environment:
    """Templates of `folders`, then those of the report; nothing undefined, everything escaped."""
    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["fixed"] = fixed
    made.filters["shorten"] = shorten
    return made


def _digest(text: str) -> str:
    """The digest of a text as a Content-Security-Policy writes it."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode(
        "ascii"
    )
