"""Readouts: one number per well, whatever measured it (DESIGN.md, section 1)."""

from exvivo.readouts.flags import join_flags
from exvivo.readouts.store import read_by_name, read_readout, read_readouts

__all__ = ["join_flags", "read_by_name", "read_readout", "read_readouts"]
