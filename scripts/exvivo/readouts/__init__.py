"""Readouts: one number per well, whatever measured it (DESIGN.md, section 1)."""
