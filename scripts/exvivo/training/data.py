"""What each phase trains on: which wells, which targets, which are held out (specification, sections 7, 8).

Several fields of a well are several training images with one target; they stay together in every split.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from exvivo.errors import TrainingError
from exvivo.files import digest_bytes

NEGATIVE, POSITIVE = 1, 0  # class of a control = index of its output
_CONTROL_TARGETS = {NEGATIVE: (0.2, 0.8), POSITIVE: (0.8, 0.2)}  # phase III, smoothed by hand
# Phase I holds out 10 of 98 wells of a class: never more than one well in nine on smaller plates (ours).
_HELD_OUT_SHARE = 9


@dataclass(frozen=True)
class PhaseData:
    """Training and validation images of one phase.

    Attributes:
        phase: 1, 2 or 3.
        images: (n, 2, S, S) float32, MIP and MID in [0, 1]; rows not named below are not used.
        train, validation: int64 rows of `images`; a row may occur several times (phase III).
        train_targets, validation_targets: (m, 2) float64, before label smoothing; column 1 is viability.
        negative: rows of training negative controls, for the intensity scale.
        plates, wells: of each row of `images`.
        left_out: plate, well and reason of what cannot be used.

    """

    phase: int
    images: np.ndarray
    train: np.ndarray
    train_targets: np.ndarray
    validation: np.ndarray
    validation_targets: np.ndarray
    negative: np.ndarray
    plates: tuple[str, ...]
    wells: tuple[str, ...]
    left_out: tuple[tuple[str, str, str], ...] = field(default=())

    def digest(self) -> str:
        """SHA-256 over images, rows and targets: equal data, equal digest."""
        rows = np.unique(np.concatenate([self.train, self.validation]))
        parts = [digest_bytes(np.ascontiguousarray(self.images[i]).tobytes()) for i in rows]
        arrays = (
            self.train,
            self.train_targets,
            self.validation,
            self.validation_targets,
            self.negative,
        )
        parts += [digest_bytes(np.ascontiguousarray(array).tobytes()) for array in arrays]
        return digest_bytes("\n".join([str(self.phase), *parts]).encode())

    def split(self) -> dict[str, list[list[str]]]:
        """Plates and wells of each part, for the sidecar."""
        return {
            name: [
                list(pair) for pair in dict.fromkeys((self.plates[i], self.wells[i]) for i in rows)
            ]
            for name, rows in (("train", self.train), ("validation", self.validation))
        }


def controls_data(
    phase: int,
    images: np.ndarray,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    *,
    total: int = 0,
    per_class: int = 0,
) -> PhaseData:
    """Data of phase I or II: controls only, hard labels, the first wells per plate and class held out.

    Wells are sorted by row then column in phase I, by column then row in phase II, as published. Phase I
    (`total` > 0) holds out total / (2 × plates) wells per plate and class, but at most one in nine (ours);
    phase II holds out `per_class`, but never a class's only well on a plate (ours).

    Args:
        phase: 1 or 2.
        images: (n, 2, S, S) float32 in [0, 1], one row per field.
        labels: 1 negative control, 0 positive control.
        plates: of each row.
        wells: of each row.
        total: wells to hold out over all plates and both classes (phase I), or 0.
        per_class: wells to hold out per plate and class (phase II), or 0.

    Raises:
        TrainingError: a class is missing, or images are not finite numbers of the right shape.

    """
    _check(images, labels, plates, wells)
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for plate, label, well in sorted(set(zip(plates, labels, wells, strict=True))):
        groups[plate, label].append(well)
    n_plates = len({plate for plate, _ in groups})
    held_out = set()
    for (plate, _), members in groups.items():
        members.sort(key=by_row if phase == 1 else by_column)
        count = _held_out_count(len(members), n_plates, total, per_class)
        held_out |= {(plate, well) for well in members[:count]}
    rows = np.arange(len(labels))
    validates = np.array([pair in held_out for pair in zip(plates, wells, strict=True)], dtype=bool)
    classes = np.asarray(labels, dtype=np.int64)
    one_hot = np.eye(2)[classes]
    train, validation = rows[~validates], rows[validates]
    for label, name in ((NEGATIVE, "negative"), (POSITIVE, "positive")):
        if not (classes[train] == label).any():
            raise TrainingError(
                f"no {name} controls to train on",
                expected="imaged wells of both controls of the contrast",
                found=f"{int((classes == label).sum())} {name} control images",
                where=f"phase {phase}",
                hint="check the layout's roles and which wells admission left out",
            )
    return PhaseData(
        phase,
        images,
        train,
        one_hot[train],
        validation,
        one_hot[validation],
        train[classes[train] == NEGATIVE],
        tuple(plates),
        tuple(wells),
    )


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
    _check(images, [labels[i] for i in used if labels[i] is not None], plates, wells, len(labels))
    values = _well_means(viability, plates, wells)
    partners: dict[Hashable, set[tuple[str, str]]] = defaultdict(set)
    for i in used:
        if labels[i] is None:
            partners[duplicates[i]].add((plates[i], wells[i]))
    rows, targets, left_out = [], [], {}
    for i in used:
        if labels[i] is not None:
            rows.append(i)
            targets.append(_CONTROL_TARGETS[labels[i]])
            continue
        here = (plates[i], wells[i])
        others = sorted(partners[duplicates[i]] - {here})
        if not others:
            left_out[here] = "no duplicate of this treatment and concentration"
        for other in others:
            value = np.rint(1000 * values[other]) / 1000
            rows.append(i)
            targets.append((1 - value, value))
    train = np.array(rows, dtype=np.int64)
    if all(labels[i] is not None for i in rows):
        raise TrainingError(
            "no drug well has a duplicate, so there are no labels to exchange",
            expected="at least two replicates of a treatment at a concentration",
            found="one of each",
            where="phase III",
            hint="use viability_phase2 for this screen",
        )
    negative = np.array([i for i in rows if labels[i] == NEGATIVE], dtype=np.int64)
    nothing = np.zeros(0, dtype=np.int64)
    return PhaseData(
        3,
        images,
        train,
        np.array(targets, dtype=np.float64).reshape(-1, 2),
        nothing,
        np.zeros((0, 2)),
        negative,
        tuple(plates),
        tuple(wells),
        tuple((*pair, reason) for pair, reason in sorted(left_out.items())),
    )


def _held_out_count(members: int, n_plates: int, total: int, per_class: int) -> int:
    if total > 0:
        wanted = total // (2 * n_plates)
        return min(wanted, max(members // _HELD_OUT_SHARE, 1 if members > 1 else 0))
    return min(per_class, members - 1)


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


def _check(
    images: np.ndarray,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    count: int | None = None,
) -> None:
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


def _place(well: str) -> tuple[int, int]:
    match = re.fullmatch(r"([A-Z]+)(\d+)", well)
    if match is None:
        raise TrainingError(
            "not a well name", expected="such as B02", found=repr(well), where="wells"
        )
    row = 0
    for letter in match[1]:
        row = 26 * row + ord(letter) - ord("A") + 1
    return row, int(match[2])


def by_row(well: str) -> tuple[int, int]:
    """Sort key of a well: row, then column."""
    return _place(well)


def by_column(well: str) -> tuple[int, int]:
    """Sort key of a well: column, then row."""
    return _place(well)[::-1]
