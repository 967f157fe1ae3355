"""Does what was measured fit the layout? Turned, shifted, swapped plates and exchanged controls, from the wells alone."""

from exvivo.placement.examine import Measured, examine

__all__ = ["Measured", "examine"]
