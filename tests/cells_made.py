"""Crops with a known answer, quickly made: cancer cells are larger and dimmer in the second channel."""

from __future__ import annotations

import numpy as np

from exvivo.morphology.data import CellSet

STORED, SIZE = 30, 20


def make_cells(count=400, *, seed=0, wrong=0.0, groups=("S1", "S2"), contrast=1.0):
    """A `CellSet` and the true classes; a share `wrong` of its labels is turned round."""
    rng = np.random.default_rng(seed)
    truth = rng.random(count) < 0.5
    y, x = np.mgrid[:STORED, :STORED] - (STORED - 1) / 2
    radius = np.where(truth, 5.5 + contrast, 5.5) + rng.normal(0, 0.5, count)
    angle, stretch = rng.uniform(0, np.pi, count), rng.uniform(1, 1.3, count)
    turned = (
        [np.cos(a) * x + np.sin(a) * y for a in angle],
        [np.cos(a) * y - np.sin(a) * x for a in angle],
    )
    distance = np.hypot(np.stack(turned[0]) / stretch[:, None, None], np.stack(turned[1]))
    body = 1 / (1 + np.exp(2 * (distance - radius[:, None, None])))
    light = np.where(truth, 400 - 150 * contrast, 400)[:, None, None]
    crops = np.stack([300 + 900 * body, 2000 - light * body], axis=1)
    crops += rng.normal(0, 40, crops.shape)
    labels = truth ^ (rng.random(count) < wrong)
    names = [groups[i % len(groups)] for i in range(count)]
    return CellSet(crops.clip(0, 65535).astype(np.uint16), labels, names, SIZE), truth
