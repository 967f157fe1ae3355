"""Loss, accuracy and area under the ROC curve as the published training reports them."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

# -(0.8 ln 0.8 + 0.2 ln 0.2): no model can reach less with label smoothing 0.4 (specification, section 7)
MINIMUM_LOSS = 0.5004024235381879
_THRESHOLDS = np.array([-1e-7, *((i + 1) / 199 for i in range(198)), 1 + 1e-7])


def smooth(targets: np.ndarray, smoothing: float) -> np.ndarray:
    """Targets (n, 2) drawn towards one half: 0.4 turns (0, 1) into (0.2, 0.8)."""
    return targets * (1 - smoothing) + smoothing / targets.shape[1]


def minimum_loss(smoothing: float) -> float:
    """The smallest cross-entropy that two classes with label smoothing allow (nats)."""
    values = (1 - smoothing / 2, smoothing / 2)
    return -sum(v * math.log(v) for v in values if v > 0)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy (n,) of soft targets (n, 2), in nats, always in float32."""
    return -(targets * logits.float().log_softmax(1)).sum(1)


def cross_entropy_slope(logits: Tensor, targets: Tensor, shares: Tensor) -> Tensor:
    """Gradient (n, 2) by the logits of `(cross_entropy(logits, targets) * shares).sum()`, as autograd computes it."""
    slope = targets * -shares[:, None]
    return torch.ops.aten._log_softmax_backward_data(slope, logits.log_softmax(1), 1, slope.dtype)


def accuracy(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Share of images whose larger output is that of the larger target, both (n, 2)."""
    return float(np.mean(probabilities.argmax(1) == targets.argmax(1)))


def auroc_keras(probabilities: np.ndarray, targets: np.ndarray) -> float | None:
    """Area under the ROC curve as Keras' `AUC()`: 200 thresholds, trapezoids, both outputs pooled.

    Args:
        probabilities: (n, 2) softmax outputs.
        targets: (n, 2) one-hot, not smoothed.

    Returns:
        The area, or None where a class is missing.

    """
    scores, truth = probabilities.ravel(), targets.ravel() > 0.5
    positives, negatives = int(truth.sum()), int((~truth).sum())
    if positives == 0 or negatives == 0:
        return None
    above = scores[None, :] > _THRESHOLDS[:, None]
    sensitivity = above[:, truth].sum(1) / positives
    false_alarms = above[:, ~truth].sum(1) / negatives
    heights = (sensitivity[:-1] + sensitivity[1:]) / 2
    return float(np.sum(heights * (false_alarms[:-1] - false_alarms[1:])))


def summary(
    logits: np.ndarray, hard: np.ndarray, smoothed: np.ndarray, *, with_auroc: bool
) -> dict[str, float | None]:
    """Loss against smoothed targets, accuracy and AUROC against the unsmoothed ones.

    Args:
        logits: (n, 2).
        hard: (n, 2) targets before smoothing.
        smoothed: (n, 2) targets of the loss.
        with_auroc: False in phase III, whose targets are not classes.

    """
    tensor = torch.from_numpy(np.ascontiguousarray(logits, dtype=np.float32))
    wanted = torch.from_numpy(np.ascontiguousarray(smoothed, dtype=np.float32))
    losses = cross_entropy(tensor, wanted).double()
    probabilities = tensor.softmax(1).numpy()
    return {
        "loss": float(losses.mean()),
        "accuracy": accuracy(probabilities, hard),
        "auroc": auroc_keras(probabilities, hard) if with_auroc else None,
    }
