"""Training data that are refused before anything is computed from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from exvivo.errors import TrainingError

NEGATIVE, POSITIVE = 1, 0  # class of a control = index of its output


def check_images(
    images: np.ndarray,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    count: int | None = None,
) -> None:
    """Refuse images that are not n finite pictures in [0, 1], or labels that are no class.

    Args:
        images: (n, 2, S, S) float32.
        labels: of the controls among them: 1 negative, 0 positive.
        plates: of each row.
        wells: of each row.
        count: n as the caller counts it, where not every row has a label.

    Raises:
        TrainingError: names the well, or the shapes that do not fit.

    """
    count = len(labels) if count is None else count
    shape = images.shape
    fits = images.ndim == 4 and shape[1] == 2 and shape[2] == shape[3] and shape[2] >= 16
    if (
        not fits
        or len({shape[0], count, len(plates), len(wells)}) != 1
        or images.dtype != np.float32
    ):
        raise TrainingError(
            "images and their descriptions do not fit together",
            expected="float32 images (n, 2, S, S), S at least 16, with n labels, plates and wells",
            found=f"{images.dtype} {shape}, {count} labels, {len(plates)} plates, {len(wells)} wells",
            where="training data",
        )
    for i, image in enumerate(images):
        low, high = float(image.min()), float(image.max())
        if not (np.isfinite(low) and np.isfinite(high) and low >= 0 and high <= 1):
            raise TrainingError(
                "an image has values outside its range",
                expected="0 to 1: raw values divided by the data type's maximum",
                found=f"{low} to {high}",
                where=f"plate {plates[i]}, well {wells[i]}",
            )
    if not set(labels) <= {NEGATIVE, POSITIVE}:
        raise TrainingError(
            "a control's label is not a class",
            expected="1 (negative control) or 0 (positive control)",
            found=str(sorted(set(labels) - {NEGATIVE, POSITIVE}, key=str)),
            where="training data",
        )
