"""Seeds: one independent stream of random numbers per plate and well.

A well's images depend on the seed, the plate's id and the well alone, so any number of processes writes
the same files and any single well can be rendered by itself.
"""

from __future__ import annotations

import hashlib
import uuid
from enum import IntEnum

import numpy as np


class Purpose(IntEnum):
    """What a stream is for; streams of different purposes never share numbers."""

    CELLS = 1
    STAIN = 2
    CAMERA = 3
    PLATE = 4
    DESIGN = 5
    DRUGS = 6
    READER = 7
    NAMES = 8


def stream(seed: int, purpose: Purpose, plate: str = "", *place: int) -> np.random.Generator:
    """Return the generator of `purpose` for a plate (by its id) and a place in it (row, column, site …)."""
    entropy = [seed, int(purpose), _number(plate), *place]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy)))


def guid(seed: int, name: str) -> str:
    """Return a GUID as MetaXpress writes it, 36 characters, that follows from `seed` and `name`."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16]
    return str(uuid.UUID(bytes=digest, version=4)).upper()


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
