"""Train one phase: start weights, loop, checkpoints, choice of epoch, model file (specification, section 7).

Phase I trains on the controls of a training screen from ImageNet weights, phase II on a screen's controls
from the phase-I model, phase III on its controls and drug wells from the phase-II model. Optimiser state is
never carried over.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from exvivo.errors import TrainingError
from exvivo.networks import PHASES, Preprocessing, Recipe, build, preprocessing
from exvivo.networks.preprocessing import WEIGHT_STYLES
from exvivo.networks.weights import FORMAT as IMAGENET_FORMAT
from exvivo.networks.weights import load_imagenet
from exvivo.training.checkpoints import CheckpointFolder
from exvivo.training.data import PhaseData, controls_data
from exvivo.training.devices import prepare, resolve_device
from exvivo.training.exchange import exchange_data
from exvivo.training.models import Model, load_model, read_metadata, save_model
from exvivo.training.record import run_inputs, run_record
from exvivo.training.trainer import Trainer

logger = logging.getLogger(__name__)
_SCALE_QUANTILE = 0.999


@dataclass(frozen=True)
class Run:
    """How to run, apart from what is learned.

    Attributes:
        device: auto, cpu or cuda.
        allow_cpu, gpu_requested: see `training.devices.resolve_device`.
        threads: of the CPU; None leaves PyTorch's own number.
        seed: of weights and draws.
        checkpoint_seconds: shortest time between checkpoints.
        graph: capture steps as a CUDA graph; None does so on a GPU.

    """

    device: str = "auto"
    allow_cpu: bool = False
    gpu_requested: bool = False
    threads: int | None = None
    seed: int = 0
    checkpoint_seconds: float = 60.0
    graph: bool | None = None


def train_phase1(
    images: np.ndarray,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    *,
    recipe: Recipe,
    out: Path,
    **how: Any,
) -> dict[str, Any]:
    """Train on the controls of a training screen; arguments as `controls_data` and `train_phase`."""
    total = recipe.validation_total
    data = controls_data(1, images, labels, plates, wells, total=total)
    return train_phase(data, recipe, out, **how)


def train_phase2(
    images: np.ndarray,
    labels: Sequence[int],
    plates: Sequence[str],
    wells: Sequence[str],
    *,
    recipe: Recipe,
    out: Path,
    **how: Any,
) -> dict[str, Any]:
    """Train on the controls of a screen; arguments as `controls_data` and `train_phase`."""
    held_out = recipe.validation_per_class
    data = controls_data(2, images, labels, plates, wells, per_class=held_out)
    return train_phase(data, recipe, out, **how)


def train_phase3(
    images: np.ndarray,
    labels: Sequence[int | None],
    duplicates: Sequence[Hashable | None],
    viability: np.ndarray,
    plates: Sequence[str],
    wells: Sequence[str],
    *,
    recipe: Recipe,
    out: Path,
    **how: Any,
) -> dict[str, Any]:
    """Train on controls and drug wells with exchanged labels; as `exchange_data` and `train_phase`."""
    data = exchange_data(images, labels, duplicates, viability, plates, wells)
    return train_phase(data, recipe, out, **how)


def train_phase(
    data: PhaseData,
    recipe: Recipe,
    out: Path,
    *,
    start: Path | None = None,
    checkpoints: Path | None = None,
    run: Run | None = None,
) -> dict[str, Any]:
    """Train one phase and write model, sidecar and history.

    Args:
        data: from `training.data`.
        recipe: of the network and phase.
        out: model file to write (`….safetensors`).
        start: model of the phase before, or a file that `networks.weights.write_imagenet` wrote; None
            leaves random weights, which is right for tests alone.
        checkpoints: folder for checkpoints, removed at the end; None keeps none.
        run: device, seed and the like.

    Returns:
        The sidecar's content.

    Raises:
        TrainingError: data, start or settings from which nothing can be trained, or a training that diverged.
        WeightsError, StoreError: start weights missing or damaged.
        DeviceError: a GPU was asked for and there is none.

    """
    run = run or Run()
    device = resolve_device(run.device, allow_cpu=run.allow_cpu, gpu_requested=run.gpu_requested)
    prepare(device, run.threads)
    fitted = fit(data, recipe, start=start, checkpoints=checkpoints, run=run, device=device)
    save_model(out, fitted.model, fitted.record, fitted.history)
    fitted.folder.remove()
    return fitted.record


@dataclass(frozen=True)
class Fitted:
    """A trained model that is not written yet, and the checkpoints to remove once it is."""

    model: Model
    record: dict[str, Any]
    history: list[dict[str, Any]]
    folder: CheckpointFolder


def fit(
    data: PhaseData,
    recipe: Recipe,
    *,
    start: Path | None,
    checkpoints: Path | None,
    run: Run,
    device: torch.device,
) -> Fitted:
    """Train one phase without writing a model; arguments and errors as `train_phase`."""
    if recipe.phase != PHASES[data.phase - 1]:
        raise TrainingError(
            "the recipe is of another phase",
            expected=PHASES[data.phase - 1],
            found=recipe.phase,
            where=recipe.network,
        )
    model, rule = start_model(data, recipe, start, run.seed, device)
    inputs = run_inputs(data, recipe, start, run.seed, device)
    record = run_record(inputs, data, rule)
    logger.info(
        "phase %d of %s: %d training and %d validation images, %d epochs, batch %d, "
        "learning rate %g (%s)",
        data.phase,
        recipe.network,
        len(data.train),
        len(data.validation),
        recipe.epochs,
        recipe.batch_size,
        recipe.learning_rate,
        recipe.origin,
    )
    folder = CheckpointFolder(checkpoints, record["run"], run.checkpoint_seconds)
    trainer = Trainer(model, data, recipe, rule, seed=run.seed, device=device, graph=run.graph)
    trainer.train(folder)
    kept = Model(model, recipe.network, data.phase, rule, recipe.input_size)
    record |= {"epoch": trainer.kept_epoch, "metrics": trainer.metrics()}
    return Fitted(kept, record, trainer.history, folder)


def start_model(
    data: PhaseData,
    recipe: Recipe,
    start: Path | None,
    seed: int,
    device: torch.device,
) -> tuple[torch.nn.Module, Preprocessing]:
    """The network with its start weights on the device, and the pre-processing for this data."""
    style = WEIGHT_STYLES[recipe.network]
    if start is None:
        model = build(recipe.network, seed=seed)
    elif (metadata := read_metadata(start)).get("network", recipe.network) != recipe.network:
        raise TrainingError(
            "the start weights are of another network",
            expected=recipe.network,
            found=metadata["network"],
            where=str(start),
            hint="train phase I with this network first",
        )
    elif metadata["format"] == IMAGENET_FORMAT:
        model, style = build(recipe.network, seed=seed), metadata["preprocessing"]
        if metadata["file"] != "none":
            load_imagenet(model, recipe.network, start)
    else:
        before = load_model(start)
        model, style = before.module, before.preprocessing.name
    rule = preprocessing(style, offset=recipe.offset)
    if recipe.intensity_scale == "controls":
        rule = replace(rule, gain=1.0 / _intensity_scale(data))
    return model.to(device), rule


def _intensity_scale(data: PhaseData) -> float:
    """The 99.9 % quantile of the training negative controls' pixels: what counts as bright on this screen."""
    scale = float(np.quantile(data.images[data.negative], _SCALE_QUANTILE))
    if scale <= 0:
        raise TrainingError(
            "the negative controls are black",
            expected="images with signal",
            found=f"{100 * _SCALE_QUANTILE:g} % quantile {scale}",
            where=f"phase {data.phase}",
            hint="check the imaging channel",
        )
    return scale
