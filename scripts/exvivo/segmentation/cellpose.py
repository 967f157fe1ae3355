"""`cellpose`: the package's networks, from a model file that is checked before it is loaded.

The package warns and downloads its default model where a path is wrong, and checks neither the connection nor the
file. So nothing is handed to it here but an existing file whose SHA-256 is the one in the configuration, and what it
made of it is looked at. It needs an older numpy than exvivo, hence an environment of its own.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ConfigError, WeightsError
from exvivo.files import digest_file

if TYPE_CHECKING:
    from exvivo.segmentation.settings import SegmentationSettings


def cellpose_nuclei(
    image: NDArray[np.generic], settings: SegmentationSettings
) -> NDArray[np.int32]:
    """Label the nuclei of a field (H, W) with cellpose 3.

    Raises `WeightsError` for a model file that is missing or not the pinned one, `ConfigError` where the package is not
    installed.
    """
    model = _model(settings.cellpose_model, settings.cellpose_sha256)
    labels, *_ = model.eval(
        np.asarray(image, np.float32), channels=[0, 0], diameter=settings.diameter_px or None
    )
    return np.asarray(labels, np.int32)


def check_model(file: str, sha256: str) -> Path:
    """The model file, if it is there and the pinned one; `WeightsError` if not."""
    path = Path(file)
    if not file or not path.is_file():
        raise WeightsError(
            "cellpose has no model",
            expected="a model file of cellpose 3",
            found="no such file" if file else "nothing",
            where=f"cells: segmentation: cellpose_model {file!r}",
            hint="name a local file, or use the method watershed; nothing is downloaded",
        )
    found = digest_file(path)
    if found != sha256.lower():
        raise WeightsError(
            "this is not the pinned model of cellpose",
            expected=f"SHA-256 {sha256 or '(none is given)'}",
            found=found,
            where=f"cells: segmentation: cellpose_sha256 of {file!r}",
            hint="check where the file comes from before you change the configuration",
        )
    return path


@lru_cache(maxsize=1)
def _model(file: str, sha256: str) -> Any:
    path = check_model(file, sha256)
    try:
        from cellpose.models import CellposeModel
    except ImportError as error:
        raise ConfigError(
            "cellpose is not installed here",
            expected="the package cellpose 3 in the environment of rule segment_plate",
            found=str(error),
            where="cells: segmentation: method cellpose",
            hint="it needs numpy below 2.1, so an environment of its own; or use the method watershed",
        ) from error
    model = CellposeModel(gpu=False, pretrained_model=str(path))
    if Path(str(model.pretrained_model)) != path:  # it fell back to another
        raise WeightsError(
            "cellpose did not take the model it was given",
            expected=str(path),
            found=str(model.pretrained_model),
            where="cells: segmentation: method cellpose",
            hint="the file is of another version of cellpose: 3 is needed",
        )
    return model
