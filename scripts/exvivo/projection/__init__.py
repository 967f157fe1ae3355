"""From the raw planes of a plate to its projections, the network's input and the mean of stack.

One streaming pass: each raw byte is read once, and memory depends on the number of threads, not of wells.
"""

from __future__ import annotations

from exvivo.projection.planes import PlaneError
from exvivo.projection.plate import project_plate
from exvivo.projection.stack import (
    PROJECTION_ONLY,
    SINGLE_PLANE,
    ZERO_PLANE,
    Projection,
    StackProjector,
)

__all__ = [
    "PROJECTION_ONLY",
    "SINGLE_PLANE",
    "ZERO_PLANE",
    "PlaneError",
    "Projection",
    "StackProjector",
    "project_plate",
]
