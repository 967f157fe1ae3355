"""File names made of drugs' names, which may hold anything."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

_LONGEST = 60
# Names that Windows keeps for devices, with any suffix.
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """A file name (without suffix) for each of `names`: letters, digits, `.`, `_`, `-`; never two alike, whatever the case.

    A name that is sound as it stands is kept; any other gets eight digits of its own SHA-256, so that it is
    the same in each export, whichever other drugs are in it.
    """
    every = list(dict.fromkeys(names))
    plain = {name: _plain(name) for name in every}
    count = Counter(text.casefold() for text in plain.values())
    return {
        name: text if text == name and count[text.casefold()] == 1 else f"{text}-{_digest(name)}"
        for name, text in plain.items()
    }


def _plain(name: str) -> str:
    text = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    text = re.sub(r"[^A-Za-z0-9._-]+", "_", text).strip("._-")[:_LONGEST].rstrip("._-")
    return f"_{text}" if _RESERVED.fullmatch(text) else text or "unnamed"


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
