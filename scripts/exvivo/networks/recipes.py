"""How each network is trained in each phase. A value that is not published is called ours.

The published recipe (Berker et al. 2022; specification, section 7) is that of VGG: Adam with
Keras' epsilon, batch 1, 200 epochs, label smoothing 0.4, learning rates far too small for networks
with small heads. Those get recipes of ours (DESIGN.md, section 6), chosen on simulated and real plates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from exvivo.errors import ConfigError

PHASES = ("phase1", "phase2", "phase3")
INTENSITY_SCALES = ("dtype", "controls")
AUGMENTATIONS = ("clean", "legacy")
EPOCH_CHOICES = ("last", "best_validation")
SCHEDULES = ("constant", "cosine")
PRECISIONS = ("bfloat16", "tf32")


@dataclass(frozen=True)
class Recipe:
    """Settings of one training run.

    Attributes:
        network: name of the architecture.
        phase: phase1, phase2 or phase3.
        origin: "published" or "ours".
        learning_rate: of Adam, at the first step.
        schedule: "constant" (published), or "cosine" (ours): the rate falls to zero along half a cosine by the
            last step, so that the last epoch is not the one in which Adam happened to leap.
        epochs: passes over the training images.
        batch_size: images per step.
        label_smoothing: 0.4 turns one-hot targets into 0.8 and 0.2; phase III smooths by hand.
        beta1, beta2, epsilon: of Adam; epsilon as Keras defines it (see `training.optimizer`).
        validation_total: wells held out over all plates and both classes if all plates are full (phase I).
        validation_per_class: wells held out per plate and class (phase II).
        input_size: side in pixels to which images are averaged down; None takes them as they come.
        intensity_scale: "dtype" divides by the data type's maximum (published); "controls" also by the
            99.9 % quantile of the training data's negative controls (ours).
        offset: added to the [0, 1] image before normalisation; 0.5 is published.
        augmentation: clean or legacy (specification, trap 2).
        epoch: which model is kept, "last" (published) or "best_validation".
        precision: of the convolutions of VGG (and of the small network) in training on a GPU, "bfloat16" or "tf32";
            weights, moments and loss are float32 in any case. Published are float16 products with float32
            weights. A CPU always computes in float32.

    """

    network: str
    phase: str
    origin: str
    learning_rate: float
    epochs: int
    batch_size: int = 1
    label_smoothing: float = 0.4
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-7
    validation_total: int = 0
    validation_per_class: int = 0
    input_size: int | None = None
    intensity_scale: str = "dtype"
    offset: float = 0.5
    augmentation: str = "clean"
    epoch: str = "last"
    schedule: str = "constant"
    precision: str = "bfloat16"

    def to_json(self) -> dict[str, Any]:
        """As plain values, for a model's sidecar."""
        return asdict(self)


_SPLITS = {
    "phase1": {"validation_total": 20},
    "phase2": {"validation_per_class": 1},
    "phase3": {},
}
# learning rate and epochs of phases I, II, III; then what the network changes in all phases
_PUBLISHED = ({"phase1": (1e-7, 200), "phase2": (3e-7, 200), "phase3": (3e-7, 200)}, {})
_OURS = {"intensity_scale": "controls", "offset": 0.0, "schedule": "cosine"}
_RECIPES: dict[str, tuple[dict[str, tuple[float, int]], dict[str, Any]]] = {
    "vgg19": _PUBLISHED,
    "vgg16": _PUBLISHED,
    "resnet50": ({"phase1": (1e-5, 25), "phase2": (1e-5, 25), "phase3": (1e-5, 25)}, _OURS),
    "efficientnet_lite0": (
        {"phase1": (1e-4, 25), "phase2": (1e-4, 25), "phase3": (3e-5, 5)},
        {**_OURS, "batch_size": 4},
    ),
    "small": (
        {"phase1": (2e-3, 30), "phase2": (1e-3, 20), "phase3": (5e-4, 10)},
        {**_OURS, "batch_size": 8, "schedule": "constant"},
    ),
}


def recipe(network: str, phase: str, overrides: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe of a network for a phase, with single values replaced.

    Args:
        network: a name in `exvivo.networks.NETWORKS`.
        phase: phase1, phase2 or phase3.
        overrides: fields of `Recipe` to replace; None values are ignored. A changed published recipe
            is no longer called published.

    Raises:
        ConfigError: unknown network, phase or field, or a value that cannot be.

    """
    if network not in _RECIPES:
        raise ConfigError(
            "there is no such network", expected=", ".join(_RECIPES), found=network, where="recipe"
        )
    if phase not in PHASES:
        raise ConfigError(
            "there is no such phase", expected=", ".join(PHASES), found=phase, where="recipe"
        )
    rates, common = _RECIPES[network]
    learning_rate, epochs = rates[phase]
    origin = "published" if rates is _PUBLISHED[0] else "ours"
    base = Recipe(network, phase, origin, learning_rate, epochs, **{**_SPLITS[phase], **common})
    if phase == "phase3":
        base = replace(base, label_smoothing=0.0)  # targets carry their smoothing
    changes = {key: value for key, value in (overrides or {}).items() if value is not None}
    return _changed(base, changes)


def recipe_from_settings(network: str, phase: str, settings: Mapping[str, Any]) -> Recipe:
    """The recipe under the settings that the workflow hands to a training script.

    Args:
        network: name of the architecture.
        phase: phase1, phase2 or phase3.
        settings: `augmentation`, `precision`, `epoch` (phases I and II only) and `overrides`, the configuration's
            `training.recipes.<network>`: `input_size`, and `epochs`, `learning_rate` under the phase.
            Other keys are ignored.

    Raises:
        ConfigError: as `recipe`.

    """
    own = settings.get("overrides") or {}
    overrides = {**(own.get(phase) or {}), "input_size": own.get("input_size")}
    overrides |= {key: settings.get(key) for key in ("augmentation", "precision")}
    if phase != "phase3":  # it has no validation wells to choose by
        overrides["epoch"] = settings.get("epoch")
    return recipe(network, phase, overrides)


def _changed(base: Recipe, changes: dict[str, Any]) -> Recipe:
    known = {field.name for field in fields(Recipe)} - {"network", "phase", "origin"}
    unknown = sorted(set(changes) - known)
    if unknown:
        raise ConfigError(
            "a recipe has no such setting",
            expected=", ".join(sorted(known)),
            found=", ".join(unknown),
            where=f"training.recipes.{base.network}.{base.phase}",
        )
    changed = replace(base, **changes)
    differs = [key for key in sorted(changes) if getattr(changed, key) != getattr(base, key)]
    if differs:
        changed = replace(changed, origin=f"{base.origin}, changed: {', '.join(differs)}")
    _check(changed)
    return changed


def _check(recipe: Recipe) -> None:
    rules = (
        (recipe.learning_rate > 0, "learning_rate", "above 0"),
        (recipe.epochs >= 1, "epochs", "at least 1"),
        (recipe.batch_size >= 1, "batch_size", "at least 1"),
        (0 <= recipe.label_smoothing < 1, "label_smoothing", "0 to below 1"),
        (recipe.input_size is None or recipe.input_size >= 16, "input_size", "at least 16 or none"),
        (
            recipe.intensity_scale in INTENSITY_SCALES,
            "intensity_scale",
            " or ".join(INTENSITY_SCALES),
        ),
        (recipe.augmentation in AUGMENTATIONS, "augmentation", " or ".join(AUGMENTATIONS)),
        (recipe.schedule in SCHEDULES, "schedule", " or ".join(SCHEDULES)),
        (recipe.precision in PRECISIONS, "precision", " or ".join(PRECISIONS)),
        (recipe.epoch in EPOCH_CHOICES, "epoch", " or ".join(EPOCH_CHOICES)),
        (
            recipe.epoch == "last" or recipe.phase != "phase3",
            "epoch",
            "last: phase III has no validation wells",
        ),
    )
    for holds, key, expected in rules:
        if not holds:
            raise ConfigError(
                "a recipe setting cannot be used",
                expected=expected,
                found=str(getattr(recipe, key)),
                where=f"training.recipes.{recipe.network}.{recipe.phase}.{key}",
            )
