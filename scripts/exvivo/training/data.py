"""What each phase trains on: which wells, which targets, which are held out (specification, sections 7, 8).

Several fields of a well are several training images with one target; they stay together in every split.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from exvivo.errors import TrainingError
from exvivo.files import digest_bytes
from exvivo.training.checks import NEGATIVE, POSITIVE, check_images

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
    check_images(images, labels, plates, wells)
    held_out = _held_out(phase, labels, plates, wells, total, per_class)
    rows = np.arange(len(labels))
    validates = np.array([pair in held_out for pair in zip(plates, wells, strict=True)], dtype=bool)
    classes = np.asarray(labels, dtype=np.int64)
    train, validation = rows[~validates], rows[validates]
    _check_classes(phase, classes, train)
    one_hot = np.eye(2)[classes]
    return PhaseData(
        phase=phase,
        images=images,
        train=train,
        train_targets=one_hot[train],
        validation=validation,
        validation_targets=one_hot[validation],
        negative=train[classes[train] == NEGATIVE],
        plates=tuple(plates),
        wells=tuple(wells),
    )


def _held_out(
    phase: int,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    total: int,
    per_class: int,
) -> set[tuple[str, str]]:
    """Plate and well of what is held out: the first per plate and class in the phase's order."""
    groups: dict[tuple[str, int], list[str]] = defaultdict(list)
    for plate, label, well in set(zip(plates, labels, wells, strict=True)):
        groups[plate, label].append(well)
    n_plates = len({plate for plate, _ in groups})
    found = set()
    for (plate, _), members in groups.items():
        members.sort(key=by_row if phase == 1 else by_column)
        count = _held_out_count(len(members), n_plates, total, per_class)
        found |= {(plate, well) for well in members[:count]}
    return found


def _held_out_count(members: int, n_plates: int, total: int, per_class: int) -> int:
    if total > 0:
        wanted = total // (2 * n_plates)
        return min(wanted, max(members // _HELD_OUT_SHARE, 1 if members > 1 else 0))
    return min(per_class, members - 1)


def _check_classes(phase: int, classes: np.ndarray, train: np.ndarray) -> None:
    for label, name in ((NEGATIVE, "negative"), (POSITIVE, "positive")):
        if not (classes[train] == label).any():
            raise TrainingError(
                f"no {name} controls to train on",
                expected="imaged wells of both controls of the contrast",
                found=f"{int((classes == label).sum())} {name} control images",
                where=f"phase {phase}",
                hint="check the layout's roles and which wells admission left out",
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
