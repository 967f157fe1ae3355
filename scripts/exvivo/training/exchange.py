"""Phase III: each drug well learns the viability that phase II gave its duplicates (specification, section 8)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from exvivo.errors import TrainingError
from exvivo.training.checks import NEGATIVE, POSITIVE, check_images
from exvivo.training.data import PhaseData

CONTROL_TARGETS = {NEGATIVE: (0.2, 0.8), POSITIVE: (0.8, 0.2)}  # smoothed by hand


def exchange_data(
    images: np.ndarray,
    labels: Sequence[int | None],
    duplicates: Sequence[Hashable | None],
    viability: np.ndarray,
    plates: Sequence[str],
    wells: Sequence[str],
) -> PhaseData:
    """Data of phase III: each drug well takes the phase-II viability of its duplicates as its label.

    With k replicates of a treatment at a concentration each well appears k - 1 times, once per other
    replicate. Targets are (1 - v, v) with v rounded to three decimals; controls are smoothed by hand to
    0.2 and 0.8; nothing is held out (specification, section 8).

    Args:
        images: (n, 2, S, S) float32 in [0, 1], one row per field.
        labels: 1 negative control, 0 positive control, None for other wells.
        duplicates: for drug wells a key equal among replicates, such as (treatment, concentration, addon);
            None for wells that do not take part.
        viability: (n,) phase-II viability of each row; a well's value is the mean over its fields.
        plates: of each row.
        wells: of each row.

    Raises:
        TrainingError: no drug well has a duplicate (the phase is then to be skipped), or bad images.

    """
    used = [i for i, label in enumerate(labels) if label is not None or duplicates[i] is not None]
    classes = [label for label in labels if label is not None]
    check_images(images, classes, plates, wells, len(labels))
    values = _well_means(viability, plates, wells)
    places = list(zip(plates, wells, strict=True))
    partners: dict[Hashable, set[tuple[str, str]]] = defaultdict(set)
    for i in used:
        if labels[i] is None:
            partners[duplicates[i]].add(places[i])
    pairs: list[tuple[int, tuple[float, float]]] = []
    left_out = {}
    for i in used:
        if labels[i] is not None:
            pairs.append((i, CONTROL_TARGETS[labels[i]]))
            continue
        others = sorted(partners[duplicates[i]] - {places[i]})
        pairs += [(i, _target(values[other])) for other in others]
        if not others:
            left_out[places[i]] = "no duplicate of this treatment and concentration"
    if all(labels[i] is not None for i, _ in pairs):
        raise _no_duplicates()
    rows = np.array([i for i, _ in pairs], dtype=np.int64)
    return PhaseData(
        phase=3,
        images=images,
        train=rows,
        train_targets=np.array([target for _, target in pairs]),
        validation=np.zeros(0, dtype=np.int64),
        validation_targets=np.zeros((0, 2)),
        negative=np.array([i for i in rows if labels[i] == NEGATIVE], dtype=np.int64),
        plates=tuple(plates),
        wells=tuple(wells),
        left_out=tuple((*place, reason) for place, reason in sorted(left_out.items())),
    )


def _target(viability: float) -> tuple[float, float]:
    """Target of a duplicate: phase II hands on three decimals."""
    value = float(np.rint(1000 * viability) / 1000)
    return 1 - value, value


def _no_duplicates() -> TrainingError:
    return TrainingError(
        "no drug well has a duplicate, so there are no labels to exchange",
        expected="at least two replicates of a treatment at a concentration",
        found="one of each",
        where="phase III",
        hint="use viability_phase2 for this screen",
    )


def _well_means(
    viability: np.ndarray, plates: Sequence[str], wells: Sequence[str]
) -> dict[tuple[str, str], float]:
    values: dict[tuple[str, str], list[float]] = defaultdict(list)
    for plate, well, value in zip(plates, wells, np.asarray(viability), strict=True):
        values[plate, well].append(float(value))
    means = {pair: float(np.mean(list_)) for pair, list_ in values.items()}
    bad = sorted(pair for pair, mean in means.items() if not np.isfinite(mean))
    if bad:
        raise TrainingError(
            "phase-II viability is missing for some wells",
            expected="a number for every imaged well",
            found=f"{len(bad)} without, first {bad[0]}",
            where="phase III",
            hint="leave these wells out before the exchange",
        )
    return means
