"""exvivo: from the raw plate to a ranked, quality-controlled drug list."""

__version__ = "0.1.0"
