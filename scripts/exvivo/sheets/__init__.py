"""Sheets and configuration: what a facility writes down, read, checked and refused with reasons.

Imported at DAG time, so without pandas; layouts have their own module, `exvivo.sheets.layouts`.
"""

from exvivo.sheets.config import contrast_of, load_config
from exvivo.sheets.names import parse_well, well_name
from exvivo.sheets.registry import Plate, Screen, Sheets, read_sheets

__all__ = [
    "Plate",
    "Screen",
    "Sheets",
    "contrast_of",
    "load_config",
    "parse_well",
    "read_sheets",
    "well_name",
]
