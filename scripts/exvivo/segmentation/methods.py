"""Methods of segmentation by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ConfigError
from exvivo.segmentation.cellpose import cellpose_nuclei
from exvivo.segmentation.settings import SegmentationSettings
from exvivo.segmentation.watershed import watershed_nuclei

Method = Callable[[NDArray[np.generic], SegmentationSettings], NDArray[np.int32]]

METHODS: dict[str, Method] = {"watershed": watershed_nuclei, "cellpose": cellpose_nuclei}


def find_nuclei(
    image: NDArray[np.generic], settings: SegmentationSettings | None = None
) -> NDArray[np.int32]:
    """Label the nuclei of a field (H, W) of the nuclear stain: 0 background, then 1, 2, … without gaps.

    Raises `ConfigError` for an unknown method, and what the method raises.
    """
    settings = settings or SegmentationSettings()
    if settings.method not in METHODS:
        raise ConfigError(
            "there is no such method of segmentation",
            expected=" or ".join(METHODS),
            found=settings.method,
            where="cells: segmentation: method",
        )
    return METHODS[settings.method](image, settings)
