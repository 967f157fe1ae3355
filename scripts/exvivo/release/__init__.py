"""Signed screens: frozen copies below released/, revisions, and what moved between two of them (DESIGN.md, section 4)."""
