"""Whether a network may call the cells of a plate that it was not trained on: do the images look like those it knows?

The paper's batches follow the power of the lamps: a network meets the microscope first and the cell second. Ours: a channel's
grey values are compared with mean and standard deviation of the training crops, which the model carries.
"""

from __future__ import annotations

import numpy as np

from exvivo.crops import CropReader
from exvivo.morphology.data import centre
from exvivo.morphology.models import CellModel

FAR = 0.25  # of the training crops' mean that a channel's may lie away
SCATTER = 2.0  # times more or less that it may scatter
_LOOKED_AT = 20_000  # crops


def unlike(model: CellModel, reader: CropReader) -> list[str]:
    """Why `model` should not be used on these crops, one sentence a channel; none where it may.

    Raises `StoreError` for crops of another size, pixel size or stain.
    """
    for store in reader.stores:
        model.check(store.settings, f"crops of plate {store.plate}")
    count, total, squares = 0, 0.0, 0.0
    for _, crops in reader.in_order():
        inner = centre(crops, model.crops.size).astype(np.float64)
        count += inner[:, 0].size
        total = total + inner.sum((0, 2, 3))
        squares = squares + (inner**2).sum((0, 2, 3))
        if count >= _LOOKED_AT * model.crops.size**2:
            break
    if not count:
        return []
    mean = np.asarray(total) / count
    sd = np.sqrt(np.maximum(np.asarray(squares) / count - mean**2, 0))
    known = zip(model.crops.channels, model.scale.mean, model.scale.sd, mean, sd, strict=True)
    return [
        f"{name}: grey values {own:.0f} ± {scatter:.0f}, trained on {trained:.0f} ± {usual:.0f}"
        for name, trained, usual, own, scatter in known
        if abs(own - trained) > FAR * trained or not 1 / SCATTER <= scatter / usual <= SCATTER
    ]
