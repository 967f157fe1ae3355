"""What logs may say: paths relative to named roots, personal values hidden."""

from __future__ import annotations

import logging
import re
import sys
import tempfile
from pathlib import Path

from exvivo.privacy.policy import current

_LIBRARY = Path(__file__).resolve().parents[3]
_roots: dict[str, str] = {}
# An absolute path with at least two parts, not part of a URL or of a relative path.
_ABSOLUTE = re.compile(r"(?<![\w.:/<>~-])/(?:[^\s/:'\"<>,;()\[\]]+/)+(?=[^\s/:'\"<>,;()\[\]]*)")
_HOMES = re.compile(r"(?<![\w.])/(?:home|Users)/[^\s/:'\"]+")


def name_root(path: Path | str, name: str) -> None:
    """Let messages of this process call the folder `path` by `name`."""
    folder = str(Path.cwd() / path)
    if len(Path(folder).parts) > 1:
        _roots[folder] = name
        _roots[str(Path(folder).resolve())] = name


def scrub(text: str) -> str:
    """`text` as a log or a result may hold it: no absolute path, no personal value."""
    for folder, name in sorted(_named().items(), key=lambda item: -len(item[0])):
        whole = rf"(?<![\w.>-]){re.escape(folder)}(?:(?P<below>/)|(?![\w.-]))"
        told = {"/": f"{name}/" if name else "", None: name or "."}
        text = re.sub(whole, lambda match, told=told: told[match["below"]], text)
    text = _HOMES.sub("~", text)
    return current().mask(_ABSOLUTE.sub("…/", text))


class ScrubbingFormatter(logging.Formatter):
    """Formats records, tracebacks included, as `scrub` lets them pass."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one text without absolute paths and personal values."""
        return scrub(super().format(record))


def _named() -> dict[str, str]:
    """Folders and what messages call them; the working directory has no name."""
    python = {sys.prefix: "<python>", sys.base_prefix: "<python>", tempfile.gettempdir(): "<tmp>"}
    own = {str(Path.cwd()): "", str(_LIBRARY): "<exvivo>", str(Path.home()): "~"}
    every = {**python, **own, **_roots}
    return {folder: name for folder, name in every.items() if len(Path(folder).parts) > 1}
