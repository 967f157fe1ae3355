"""Read crops in shuffled blocks: fast from a disk, near to random for a training loop.

A chunk is read whole and in one piece, some chunks from all over the stores are mixed in memory, and their crops
handed out in random order. Reading single crops at random is about a hundred times slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.crops.store import CropStore
from exvivo.errors import StoreError

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Block:
    """Wanted crops of one chunk: rows within the store, and their places in the caller's order."""

    store: int
    start: int
    rows: Rows
    places: Rows


class CropReader:
    """Crops of several plates, as one sequence.

    Args:
        stores: of the plates; all with the same settings and type.
        rows: for each store the rows wanted, in rising order; None for all.
        mixed: chunks mixed in memory at a time.

    Places count through all wanted rows, store by store: place 0 is the first wanted row of the first store.

    """

    def __init__(
        self, stores: Sequence[CropStore], rows: Sequence[Rows | None] | None = None, mixed: int = 8
    ) -> None:
        self.stores, self.mixed = list(stores), max(1, mixed)
        _check_alike(self.stores)
        wanted = rows if rows is not None else [None] * len(self.stores)
        self._blocks, self._count = self._plan(wanted)

    def __len__(self) -> int:
        return self._count

    def _plan(self, wanted: Sequence[Rows | None]) -> tuple[list[_Block], int]:
        blocks: list[_Block] = []
        place = 0
        for number, (store, rows) in enumerate(zip(self.stores, wanted, strict=True)):
            rows = np.arange(len(store)) if rows is None else np.asarray(rows, np.int64)
            _check_rows(store, rows)
            places = place + np.arange(len(rows))
            chunks = rows // store.chunk
            for chunk in np.unique(chunks):
                own = slice(*np.searchsorted(chunks, [chunk, chunk + 1]))
                blocks.append(_Block(number, int(chunk) * store.chunk, rows[own], places[own]))
            place += len(rows)
        return blocks, place

    def in_order(self) -> Iterator[tuple[Rows, NDArray[np.generic]]]:
        """Places and crops of each chunk, in order: for inference."""
        for block in self._blocks:
            yield block.places, self._read(block)

    def shuffled(
        self, batch: int, rng: np.random.Generator, *, drop_last: bool = False
    ) -> Iterator[tuple[Rows, NDArray[np.generic]]]:
        """Places and crops (batch, C, P, P), each crop once, in an order that `rng` decides alone."""
        rest: tuple[Rows, NDArray[np.generic]] | None = None
        order = rng.permutation(len(self._blocks))
        for first in range(0, len(order), self.mixed):
            chosen = [self._blocks[i] for i in order[first : first + self.mixed]]
            places = [block.places for block in chosen]
            crops = [self._read(block) for block in chosen]
            if rest is not None:
                places.append(rest[0])
                crops.append(rest[1])
            mixed_places, mixed_crops = np.concatenate(places), np.concatenate(crops)
            turn = rng.permutation(len(mixed_places))
            whole = len(turn) // batch * batch
            for start in range(0, whole, batch):
                own = turn[start : start + batch]
                yield mixed_places[own], mixed_crops[own]
            rest = (mixed_places[turn[whole:]], mixed_crops[turn[whole:]])
        if rest is not None and len(rest[0]) and not drop_last:
            yield rest

    def _read(self, block: _Block) -> NDArray[np.generic]:
        store = self.stores[block.store]
        stop = min(block.start + store.chunk, len(store))
        crops = store.read(block.start, stop)
        own = block.rows - block.start
        return crops if len(own) == len(crops) else crops[own]


def _check_alike(stores: Sequence[CropStore]) -> None:
    kinds = {(store.settings, str(store.array.dtype)) for store in stores}
    if len(kinds) > 1:
        raise StoreError(
            "these plates have crops of different kinds",
            expected="one size, pixel size, type and order of channels",
            found="; ".join(sorted(map(str, kinds))),
            where=", ".join(store.plate for store in stores),
            hint="segment all plates with the same settings",
        )


def _check_rows(store: CropStore, rows: Rows) -> None:
    if len(rows) and not (rows[0] >= 0 and rows[-1] < len(store) and (np.diff(rows) > 0).all()):
        raise StoreError(
            "these rows are not in the store",
            expected=f"rising numbers from 0 to {len(store) - 1}",
            found=f"{rows[0]} to {rows[-1]}",
            where=store.plate,
            hint="the table of cells is not that of this store: segment the plate again",
        )
