"""How the cells of a field are found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exvivo.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SegmentationSettings:
    """What a method needs.

    Attributes: `method` by name; `diameter_px` usual diameter of a nucleus in pixels, 0 to estimate it in each field;
    `expand_px` how far a cell reaches beyond its nucleus; `ring_px` width of the ring around the cell whose median is
    the local background (both as in the specification's defaults, which are ours); `cellpose_model` file and
    `cellpose_sha256` of its content, for that method.
    """

    method: str = "watershed"
    diameter_px: float = 0.0
    expand_px: int = 4
    ring_px: int = 4
    cellpose_model: str = ""
    cellpose_sha256: str = ""

    def __post_init__(self) -> None:
        good = 0 <= self.diameter_px <= 1000 and 0 <= self.expand_px <= 200
        if not good or not 1 <= self.ring_px <= 200:
            raise ConfigError(
                "cells cannot be found with these settings",
                expected="diameter_px 0 to 1000, expand_px 0 to 200, ring_px 1 to 200",
                found=f"{self.diameter_px:g}, {self.expand_px}, {self.ring_px}",
                where="cells: segmentation",
            )

    @classmethod
    def of(cls, section: Mapping[str, Any]) -> SegmentationSettings:
        """From the section `cells: segmentation` of the configuration; null stands for nothing."""
        return cls(**{name: value for name, value in section.items() if value is not None})
