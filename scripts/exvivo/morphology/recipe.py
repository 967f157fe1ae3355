"""How a network for cells is trained: the published recipe, and departures from it, told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from exvivo.errors import ConfigError

PUBLISHED, OURS = "published", "ours"


@dataclass(frozen=True, slots=True)
class CellRecipe:
    """Training of one network (Heinemann et al. 2022, Methods).

    Attributes: `network`; `epochs` at most; `batch_size` crops (published: 250 for one marker and sample, 2,000 for all
    samples); `learning_rate`, fixed; `momentum` of stochastic gradient descent; `l2` on weights, not on biases and
    normalisation; `validation`, `test` shares held out; `average` the weights of so many last epochs (ours: with few cells single epochs
    differ; 0, as published, takes the last one); `origin` published or ours.
    """

    network: str = "mcnn"
    epochs: int = 30
    batch_size: int = 250
    learning_rate: float = 1e-4
    momentum: float = 0.9
    l2: float = 0.005
    validation: float = 0.2
    test: float = 0.1
    average: int = 0
    origin: str = PUBLISHED

    def __post_init__(self) -> None:
        good = (
            self.epochs >= 1
            and self.batch_size >= 1
            and self.learning_rate > 0
            and 0 <= self.momentum < 1
            and self.l2 >= 0
            and self.validation >= 0
            and self.test >= 0
            and self.validation + self.test < 0.9
            and 0 <= self.average <= self.epochs
        )
        if not good:
            raise ConfigError(
                "no network can be trained with this recipe",
                expected="positive epochs, batch and rate, momentum below 1, shares below 0.9 together, no more epochs averaged than trained",
                found=str(asdict(self)),
                where="cells: recipe",
            )

    def to_json(self) -> dict[str, Any]:
        """Plain values, for records."""
        return asdict(self)


def cell_recipe(
    network: str, *, pan: bool = False, changes: Mapping[str, Any] | None = None
) -> CellRecipe:
    """The recipe of a network, for one marker and sample or (`pan`) for all samples, with `changes` from the config.

    Raises `ConfigError` for a setting that a recipe does not have.
    """
    base = CellRecipe(network=network, batch_size=2000 if pan else 250)
    changes = dict(changes or {})
    known = {f.name for f in fields(CellRecipe)} - {"network", "origin"}
    if unknown := sorted(set(changes) - known):
        raise ConfigError(
            "a recipe has no such setting",
            expected=", ".join(sorted(known)),
            found=", ".join(unknown),
            where="cells: recipe",
        )
    changed = {name: value for name, value in changes.items() if value != getattr(base, name)}
    return replace(base, **changed, origin=OURS) if changed else base
