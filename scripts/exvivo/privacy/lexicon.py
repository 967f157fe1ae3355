"""Words that tell a person's name from other words, from the lists in words/. A facility adds its own with `privacy.names`."""

from __future__ import annotations

from pathlib import Path


def _words(name: str) -> frozenset[str]:
    text = (Path(__file__).parent / "words" / f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(w for line in text.splitlines() if line[:1] != "#" for w in line.split())


GIVEN_NAMES = _words("given_names")
TECHNICAL = _words("technical")
PLACEHOLDERS = _words("placeholders")
