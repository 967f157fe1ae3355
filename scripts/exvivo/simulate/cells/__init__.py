"""Single-cell screens with a known answer: DAPI, bright-field and markers of every cell, and its true class.

Used by tests, benchmarks and the demo alone. docs/simulator.md has every parameter with its reason.
"""

from exvivo.simulate.cells.design import CellDesign, CellDrug, Marker
from exvivo.simulate.cells.memory import SimulatedCells, draw_cells
from exvivo.simulate.cells.screens import simulate_cells

__all__ = ["CellDesign", "CellDrug", "Marker", "SimulatedCells", "draw_cells", "simulate_cells"]
