"""Flags of wells: reasons joined by ";", written by whatever saw something, read by whatever scores."""

from __future__ import annotations

# Wells with one of these do not enter normalisation, fits and quality, whatever number they carry.
UNUSABLE = frozenset({"damaged", "not_imaged", "not_measured", "not_finite", "excluded"})


def reasons(text: str) -> list[str]:
    """The single reasons of a flag, without what follows a colon: "damaged: 3 planes; dim" -> damaged, dim."""
    return [part.split(":")[0].strip() for part in text.split(";") if part.strip()]


def join_flags(*texts: str) -> str:
    """All reasons of several flags, each once and in order, joined by ";"."""
    parts = [part.strip() for text in texts for part in text.split(";")]
    return ";".join(dict.fromkeys(part for part in parts if part))
