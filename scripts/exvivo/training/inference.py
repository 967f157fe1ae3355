"""Viability and penultimate features of images (specification, section 9)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from exvivo.errors import TrainingError
from exvivo.training.devices import resolve_device
from exvivo.training.engine import forward
from exvivo.training.models import Model, load_model

# Label smoothing 0.4 and phase III's hand-smoothed labels both end at 0.2 and 0.8: "not normally attained"
# beyond (Berker et al. 2022, section III).
ATTAINABLE = (0.2, 0.8)
OUT_OF_RANGE = "out_of_range"


@dataclass(frozen=True)
class Prediction:
    """Per image or per well.

    Attributes:
        viability: (n,) float64, probability of the negative-control class.
        features: (n, F) float32, penultimate activations (after ReLU, or globally pooled).
        flags: "" or "out_of_range": a value that training cannot produce.

    """

    viability: np.ndarray
    features: np.ndarray
    flags: tuple[str, ...]


def predict(
    model: Path | str | Model,
    images: np.ndarray,
    *,
    batch_size: int = 16,
    device: str | torch.device = "auto",
    allow_cpu: bool = True,
) -> Prediction:
    """Predict every image; wells with several fields are averaged by `average_fields`.

    Args:
        model: a model file or a loaded model.
        images: (n, 2, S, S) float32 in [0, 1], MIP and MID.
        batch_size: images at a time; the result does not depend on n.
        device: auto, cpu, cuda, or a device.
        allow_cpu: whether `cuda` may fall back to the CPU.

    Raises:
        StoreError, TrainingError: the model cannot be used, or an image is not a number or too small.
        DeviceError: a GPU was asked for and there is none.

    """
    if isinstance(device, str):
        device = resolve_device(device, allow_cpu=allow_cpu)
    loaded = model if isinstance(model, Model) else load_model(model, device)
    module = loaded.module.to(device, memory_format=torch.channels_last).eval()
    tensor = to_device(images, loaded.input_size, device)
    logits, features = forward(module, tensor, loaded.preprocessing, batch_size=batch_size)
    viability = logits.double().softmax(1)[:, 1].numpy()
    if not (np.isfinite(viability).all() and bool(torch.isfinite(features).all())):
        raise TrainingError(
            "the model gives values that are not numbers",
            expected="finite numbers",
            found=f"{int((~np.isfinite(viability)).sum())} of {len(viability)} images without one",
            where=str(model) if not isinstance(model, Model) else loaded.network,
            hint="the training diverged: lower its learning rate",
        )
    return Prediction(viability, features.numpy(), range_flags(viability))


def range_flags(viability: np.ndarray, limits: tuple[float, float] = ATTAINABLE) -> tuple[str, ...]:
    """ "out_of_range" for each value outside `limits`, else empty."""
    low, high = limits
    return tuple("" if low <= value <= high else OUT_OF_RANGE for value in viability)


def average_fields(
    prediction: Prediction, plates: Sequence[str], wells: Sequence[str]
) -> tuple[list[tuple[str, str]], Prediction]:
    """Mean viability and features of each well over its fields, in order of first appearance."""
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, pair in enumerate(zip(plates, wells, strict=True)):
        groups[pair].append(i)
    rows = list(groups.values())
    viability = np.array([prediction.viability[r].mean() for r in rows])
    features = np.array([prediction.features[r].mean(0) for r in rows], dtype=np.float32)
    features = features.reshape(len(rows), prediction.features.shape[1])
    return list(groups), Prediction(viability, features, range_flags(viability))


def to_device(images: np.ndarray, input_size: int | None, device: torch.device) -> Tensor:
    """Images on the device, averaged down to `input_size` where it is given.

    Raises:
        TrainingError: wrong shape, values that are not finite, or images smaller than `input_size`.

    """
    if images.ndim != 4 or images.shape[1] != 2 or not np.isfinite(images).all():
        raise TrainingError(
            "these are not images the network can read",
            expected="finite float32 images (n, 2, S, S)",
            found=f"{images.dtype} {images.shape}",
            where="images",
        )
    tensor = torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32))
    if input_size is None or images.shape[-1] == input_size:
        return tensor.to(device)
    if images.shape[-1] < input_size:
        raise TrainingError(
            "the images are smaller than the recipe's input",
            expected=f"at least {input_size} pixels",
            found=f"{images.shape[-1]} pixels",
            where="input_size",
            hint="project the plates at a larger imaging.input_size",
        )
    return F.adaptive_avg_pool2d(tensor, input_size).to(device)
