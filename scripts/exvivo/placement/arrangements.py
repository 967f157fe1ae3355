"""The ways in which a layout may lie on a plate: as given, turned, mirrored, shifted, controls exchanged.

An arrangement moves the contents of the layout to other wells, or says that they are the contents of another
plate. All are as people and machines get them wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from exvivo.placement.evidence import Contents, Index
from exvivo.sheets.names import FORMATS

GIVEN = "given"
_SHIFTS = [(r, c) for r in (-1, 0, 1) for c in (-1, 0, 1) if (r, c) != (0, 0)]
_SHIFTS += [(-2, 0), (2, 0), (0, -2), (0, 2)]
_MOST_PAIRS = 12  # of control columns
_CONTROL_SHARE = 0.6  # of a column's named wells, to call it a control column


@dataclass(frozen=True)
class Arrangement:
    """One way: `kind` in a word, `words` as a message says it, the contents where they would then lie."""

    kind: str
    words: str
    contents: Contents


def shape_of(*places: Index) -> tuple[int, int]:
    """Rows and columns of the smallest usual plate that holds all `places`."""
    most = np.max([p.max(axis=0) for p in places if len(p)], axis=0, initial=0) + 1
    return next(f for f in FORMATS.values() if f[0] >= most[0] and f[1] >= most[1])


def arrangements(contents: Contents, shape: tuple[int, int]) -> list[Arrangement]:
    """All ways of one plate's own layout, the given one first; ways that change no content are left out."""
    found = [Arrangement(GIVEN, "as given", contents)]
    known = {contents_key(contents)}
    for kind, words, moved in [
        *_turns(contents, shape),
        *_shifted(contents),
        *_exchanged(contents),
    ]:
        key = contents_key(moved)
        if key not in known:
            known.add(key)
            found.append(Arrangement(kind, words, moved))
    return found


def index_of(contents: Contents, places: Index) -> Index:
    """For each place (n, 2) the entry of `contents` that lies there, -1 where none does."""
    at = {(int(r), int(c)): i for i, (r, c) in enumerate(contents.places)}
    return np.array([at.get((int(r), int(c)), -1) for r, c in places], dtype=np.int64)


def contents_key(contents: Contents) -> tuple:
    """What can be told apart of the contents: what lies where, whatever the order and the drugs' names.

    A drug is known by its first well, since nothing measured on one plate knows what a drug is called; empty
    wells are as good as unnamed ones.
    """
    rows = zip(contents.places.tolist(), contents.drug, contents.step, contents.side, strict=True)
    first: dict[str, tuple] = {"": (), "unknown": (-1,)}
    key = []
    for place, drug, step, side in sorted(rows, key=lambda row: row[0]):
        if drug != "empty":
            key.append((*place, first.setdefault(drug, tuple(place)), round(step, 9), side))
    return tuple(key)


def _moved(contents: Contents, move: Callable[[Index], Index]) -> Contents:
    return replace(contents, places=move(contents.places))


def _turns(contents: Contents, shape: tuple[int, int]) -> list[tuple[str, str, Contents]]:
    """Turns and mirrors about the middle of the plate, and of the wells in use where that is another one."""
    used = contents.places[contents.drug != "empty"]
    last = np.array(shape) - 1
    block = used.min(axis=0) + used.max(axis=0) if len(used) else last
    found = []
    for middle, where in ((last, ""), (block, " within the wells in use")):
        ways = (
            ("rotated", "turned by 180°", lambda p, m=middle: m - p),
            ("mirrored", "with its columns mirrored", lambda p, m=middle: _flip(p, m, 1)),
            ("mirrored", "with its rows mirrored", lambda p, m=middle: _flip(p, m, 0)),
        )
        found += [(kind, words + where, _moved(contents, way)) for kind, words, way in ways]
    return found


def _flip(places: Index, middle: Index, axis: int) -> Index:
    flipped = places.copy()
    flipped[:, axis] = middle[axis] - places[:, axis]
    return flipped


def _shifted(contents: Contents) -> list[tuple[str, str, Contents]]:
    found = []
    for step in _SHIFTS:
        ways = [_steps(step[0], "row", "down", "up"), _steps(step[1], "column", "right", "left")]
        words = "shifted " + " and ".join(filter(None, ways))
        found.append(("shifted", words, _moved(contents, lambda p, d=step: p + np.array(d))))
    return found


def _steps(count: int, name: str, forth: str, back: str) -> str:
    if not count:
        return ""
    number = abs(count)
    return f"{number} {name}{'s' if number > 1 else ''} {forth if count > 0 else back}"


def _exchanged(contents: Contents) -> list[tuple[str, str, Contents]]:
    """Negative and positive controls exchanged, and pairs of control columns."""
    found = []
    sides = contents.side
    negative, positive = (np.flatnonzero(sides == name) for name in ("negative", "positive"))
    if len(negative) and len(positive):
        found.append(
            ("controls", "with negative and positive controls exchanged", _relabelled(contents))
        )
    columns = [
        int(c)
        for c in np.unique(contents.places[:, 1])
        if _control_share(contents, int(c)) >= _CONTROL_SHARE
    ]
    for first, second in list(combinations(columns, 2))[:_MOST_PAIRS]:
        exchange = {first: second, second: first}

        def move(places: Index, exchange: dict[int, int] = exchange) -> Index:
            moved = places.copy()
            moved[:, 1] = [exchange.get(int(c), int(c)) for c in places[:, 1]]
            return moved

        words = f"with columns {first + 1} and {second + 1} exchanged"
        found.append(("columns", words, _moved(contents, move)))
    return found


def _control_share(contents: Contents, column: int) -> float:
    own = (contents.places[:, 1] == column) & (contents.drug != "empty")
    return float((contents.side[own] != "").mean()) if own.any() else 0.0


def _relabelled(contents: Contents) -> Contents:
    """Every negative control holds what the positive ones hold, and the reverse."""
    drug, step, side = contents.drug.copy(), contents.step.copy(), contents.side.copy()
    for own, other in (("negative", "positive"), ("positive", "negative")):
        source = np.flatnonzero(contents.side == other)[0]
        target = contents.side == own
        drug[target], step[target] = contents.drug[source], contents.step[source]
        side[target] = other
    return replace(contents, drug=drug, step=step, side=side)
