"""Segmentation: nuclei and cells of a field by a method's name, and a table with one row per cell."""

from exvivo.segmentation.limits import CellLimits, find_limits, flag_cells
from exvivo.segmentation.measure import Outlines, measure_cells
from exvivo.segmentation.methods import METHODS, find_nuclei
from exvivo.segmentation.settings import SegmentationSettings
from exvivo.segmentation.table import cells_schema, channels_of, read_cells

__all__ = [
    "METHODS",
    "CellLimits",
    "Outlines",
    "SegmentationSettings",
    "cells_schema",
    "channels_of",
    "find_limits",
    "find_nuclei",
    "flag_cells",
    "measure_cells",
    "read_cells",
]
