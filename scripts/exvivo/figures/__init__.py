"""Figures as SVG: pure functions from tables to `Figure`, one module per kind of plot.

Nothing here reads a file, and nothing here knows which assay a readout came from. `Figure.inline()` goes
into a page, `Figure.standalone()` is a file of its own; both escape every text they were given.
"""

from exvivo.figures.svg import Figure, stack

__all__ = ["Figure", "stack"]
