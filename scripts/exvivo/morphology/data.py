"""What a network for cells learns from: crops, their weak labels, which are held out, how they are scaled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import TrainingError
from exvivo.files import digest_bytes

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class CellSet:
    """Crops with labels.

    Attributes: `crops` (n, C, P, P) in the grey values of the camera, with margin; `cancer` (n,) the weak label; `groups`
    (n,) what is held out together: the sample or patient of each cell; `size` side S ≤ P that the network sees.
    """

    crops: NDArray[np.generic]
    cancer: NDArray[np.bool_]
    groups: Sequence[str]
    size: int

    def __post_init__(self) -> None:
        shape = self.crops.shape
        fits = len(shape) == 4 and shape[2] == shape[3] and 0 < self.size <= shape[-1]
        if not fits or not len(self.cancer) == len(self.groups) == shape[0]:
            raise TrainingError(
                "crops and labels do not fit each other",
                expected="crops (n, C, P, P), n labels, n groups, size at most P",
                found=f"crops {shape}, {len(self.cancer)} labels, {len(self.groups)} groups, size {self.size}",
                where="training of a network for cells",
            )

    def __len__(self) -> int:
        return len(self.cancer)

    def digest(self) -> str:
        """SHA-256 of crops, labels and groups: equal data, equal digest."""
        parts = [
            digest_bytes(np.ascontiguousarray(self.crops).data),
            digest_bytes(np.packbits(self.cancer).tobytes()),
            digest_bytes("\n".join(map(str, self.groups)).encode()),
            str(self.size),
        ]
        return digest_bytes("\n".join(parts).encode())


@dataclass(frozen=True)
class Split:
    """Rows of a `CellSet` to train on, to watch, and to judge by; `by` says what was kept together."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    by: str

    def counts(self) -> dict[str, int]:
        """Number of cells in each part."""
        return {part: len(getattr(self, part)) for part in PARTS}


def split_cells(cancer: NDArray[np.bool_], validation: float, test: float, seed: int) -> Split:
    """Hold cells out at random, the same shares of both classes, as published (70/20/10)."""
    rng = np.random.default_rng([seed, 1])
    parts: dict[str, list[NDArray[np.int64]]] = {part: [] for part in PARTS}
    for label in (False, True):
        rows = rng.permutation(np.flatnonzero(cancer == label))
        first, second = round(len(rows) * test), round(len(rows) * (test + validation))
        for part, own in zip(
            ("test", "validation", "train"), np.split(rows, [first, second]), strict=True
        ):
            parts[part].append(own)
    return _checked(Split(*(np.sort(np.concatenate(parts[p])) for p in PARTS), by="cell"), cancer)


def split_groups(
    cancer: NDArray[np.bool_],
    groups: Sequence[str],
    held_out: Sequence[str],
    validation: float,
    seed: int,
) -> Split:
    """Hold whole groups out: `held_out` are judged, a share of the others' cells is watched.

    Cells of one patient resemble each other: only patients that training has not seen say how a new one fares (ours).
    """
    judged = np.isin(np.asarray(groups, dtype=object), list(held_out))
    rest = np.flatnonzero(~judged)
    inner = split_cells(cancer[rest], validation, 0.0, seed) if len(rest) else None
    if inner is None or not judged.any():
        raise TrainingError(
            "groups cannot be held out",
            expected="some groups to train on and some to judge by",
            found=f"{len(set(groups))} groups, held out: {', '.join(map(str, held_out)) or 'none'}",
            where="training of a network for cells",
        )
    split = Split(rest[inner.train], rest[inner.validation], np.flatnonzero(judged), by="group")
    return _checked(split, cancer)


def balance(
    cancer: NDArray[np.bool_], groups: Sequence[str], per_class: int, seed: int
) -> NDArray[np.int64]:
    """Rows with at most `per_class` cells of each class and group, and equally many of both in each group.

    Published: 5,000 for one marker and sample, 750 of each sample for all together. A group whose smaller class has fewer
    gives as many of the other (ours: else the network learns the sample instead of the cell).
    """
    rng = np.random.default_rng([seed, 2])
    names = np.asarray(groups, dtype=object)
    chosen: list[NDArray[np.int64]] = []
    for group in dict.fromkeys(groups):
        classes = [np.flatnonzero((names == group) & (cancer == label)) for label in (False, True)]
        count = min(per_class, *map(len, classes))
        chosen += [rng.choice(rows, count, replace=False) for rows in classes]
    return np.sort(np.concatenate(chosen)) if chosen else np.empty(0, np.int64)


@dataclass(frozen=True)
class Scale:
    """What a network for cells expects: (crop - mean) / sd, per channel.

    Means are as published ("zero-centre"); the division is ours, since cameras differ in how many grey values they have.
    """

    mean: tuple[float, ...]
    sd: tuple[float, ...]

    @classmethod
    def of(cls, crops: NDArray[np.generic], size: int) -> Scale:
        """Measure the training crops, without their margin. Raises `TrainingError` for a channel that is flat."""
        inner = centre(crops, size).astype(np.float64)
        mean, sd = inner.mean((0, 2, 3)), inner.std((0, 2, 3))
        if not (np.isfinite(mean).all() and (sd > 0).all()):
            raise TrainingError(
                "a channel of the crops is flat",
                expected="grey values that differ",
                found=f"standard deviations {', '.join(f'{v:g}' for v in sd)}",
                where="training of a network for cells",
                hint="look at the images of this channel",
            )
        return cls(tuple(map(float, mean)), tuple(map(float, sd)))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"mean": list(self.mean), "sd": list(self.sd)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Scale:
        """What `to_json` gave."""
        return cls(tuple(content["mean"]), tuple(content["sd"]))


def centre(crops: NDArray[np.generic], size: int) -> NDArray[np.generic]:
    """The inner `size` × `size` pixels of crops (n, C, P, P)."""
    margin = (crops.shape[-1] - size) // 2
    return crops[..., margin : margin + size, margin : margin + size]


def _checked(split: Split, cancer: NDArray[np.bool_]) -> Split:
    found = [int(cancer[split.train].sum()), int((~cancer[split.train]).sum())]
    if min(found) == 0:
        raise TrainingError(
            "both classes are needed to train on",
            expected="cells called cancer and cells called healthy",
            found=f"{found[0]} and {found[1]}",
            where="training of a network for cells",
            hint="look at the marker's threshold, or name another marker",
        )
    return split
