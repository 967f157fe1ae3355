"""Train one phase: start weights, loop, checkpoints, choice of epoch, model file (specification, section 7).

Phase I trains on the controls of a training screen from ImageNet weights, phase II on a screen's controls
from the phase-I model, phase III on its controls and drug wells from the phase-II model. Optimiser state is
never carried over.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import exvivo
from exvivo.errors import TrainingError
from exvivo.files import digest_bytes, digest_file
from exvivo.networks import PHASES, Preprocessing, Recipe, build, preprocessing
from exvivo.networks.preprocessing import WEIGHT_STYLES
from exvivo.networks.weights import load_imagenet
from exvivo.training.checkpoints import Checkpoint, CheckpointFolder
from exvivo.training.data import PhaseData, controls_data, exchange_data
from exvivo.training.devices import describe, prepare, resolve_device
from exvivo.training.engine import Engine, TrainingSet, forward
from exvivo.training.inference import to_device
from exvivo.training.metrics import smooth, summary
from exvivo.training.models import Model, load_model, save_model
from exvivo.training.progress import Progress

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
    imagenet: Path | None = None,
    checkpoints: Path | None = None,
    run: Run | None = None,
) -> dict[str, Any]:
    """Train one phase and write model, sidecar and history.

    Args:
        data: from `training.data`.
        recipe: of the network and phase.
        out: model file to write (`….safetensors`).
        start: model of the phase before; None starts from `imagenet`.
        imagenet: ImageNet weights, used only without `start`; None leaves random weights, which is right
            for `small` alone.
        checkpoints: folder for checkpoints, removed at the end; None keeps none.
        run: device, seed and the like.

    Returns:
        The sidecar's content.

    Raises:
        TrainingError: data or settings from which nothing can be trained, or a training that diverged.
        WeightsError, StoreError: start weights missing, damaged or of another network.
        DeviceError: a GPU was asked for and there is none.

    """
    run = run or Run()
    if recipe.phase != PHASES[data.phase - 1]:
        raise TrainingError(
            "the recipe is of another phase",
            expected=PHASES[data.phase - 1],
            found=recipe.phase,
            where=str(out),
        )
    device = resolve_device(run.device, allow_cpu=run.allow_cpu, gpu_requested=run.gpu_requested)
    prepare(device, run.threads)
    model, rule = start_model(data, recipe, start, imagenet, run.seed, device)
    sidecar = _describe_run(data, recipe, rule, start, imagenet, run, device)
    logger.info(
        "phase %d of %s: %d training images, %d validation images, %d epochs of %s",
        data.phase,
        recipe.network,
        len(data.train),
        len(data.validation),
        recipe.epochs,
        f"batch {recipe.batch_size}, learning rate {recipe.learning_rate:g} ({recipe.origin})",
    )
    folder = CheckpointFolder(checkpoints, sidecar["run"], run.checkpoint_seconds)
    trainer = _Trainer(model, data, recipe, rule, run, device)
    trainer.train(folder)
    kept = Model(model, recipe.network, data.phase, rule, recipe.input_size)
    sidecar |= {"epoch": trainer.kept_epoch, "metrics": trainer.metrics()}
    save_model(out, kept, sidecar, trainer.history)
    folder.remove()
    return sidecar


def start_model(
    data: PhaseData,
    recipe: Recipe,
    start: Path | None,
    imagenet: Path | None,
    seed: int,
    device: torch.device,
) -> tuple[torch.nn.Module, Preprocessing]:
    """The network with its start weights on the device, and the pre-processing for this data."""
    if start is not None:
        before = load_model(start, device)
        if before.network != recipe.network:
            raise TrainingError(
                "the start model is of another network",
                expected=recipe.network,
                found=before.network,
                where=str(start),
                hint="train phase I with this network first",
            )
        model, style = before.module, before.preprocessing.name
    else:
        model, style = build(recipe.network, seed=seed), WEIGHT_STYLES[recipe.network]
        if imagenet is not None:
            load_imagenet(model, recipe.network, imagenet)
        model = model.to(device)
    rule = preprocessing(style, offset=recipe.offset)
    if recipe.intensity_scale == "controls":
        rule = replace(rule, gain=1.0 / _intensity_scale(data))
    return model, rule


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


class _Trainer:
    """State of one run: engine, history, kept epoch."""

    def __init__(
        self,
        model: torch.nn.Module,
        data: PhaseData,
        recipe: Recipe,
        rule: Preprocessing,
        run: Run,
        device: torch.device,
    ):
        self.model, self.data, self.recipe, self.rule = model, data, recipe, rule
        used, rows = np.unique(data.train, return_inverse=True)
        images = to_device(data.images[used], recipe.input_size, device)
        training = TrainingSet(images, rows.astype(np.int64), data.train_targets)
        self.validation = to_device(data.images[data.validation], recipe.input_size, device)
        self.engine = Engine(
            model, training, recipe, rule, phase=data.phase, seed=run.seed, graph=run.graph
        )
        self.history: list[dict[str, Any]] = []
        self.best_loss, self.kept_epoch = float("inf"), 0
        self.best: dict[str, torch.Tensor] = {}

    def train(self, folder: CheckpointFolder) -> None:
        """Train all epochs that a checkpoint has not done already, and leave the kept weights in place."""
        done = self._resume(folder.newest())
        size = self.engine.steps
        title = f"phase {self.data.phase} {self.recipe.network}"
        progress = Progress(title, self.recipe.epochs * size, done * size)
        for epoch in range(done + 1, self.recipe.epochs + 1):
            self._epoch(epoch)
            loss = self.history[-1]["loss"]
            progress.advance(size, f"epoch {epoch}, {self.history[-1]['split']} loss {loss:.4f}")
            if folder.due() and epoch < self.recipe.epochs:
                folder.write(self._checkpoint(epoch))
        if self.best:
            with torch.no_grad():
                for name, tensor in self.model.state_dict().items():
                    tensor.copy_(self.best[name])

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metrics of the kept epoch by split."""
        return {row["split"]: row for row in self.history if row["epoch"] == self.kept_epoch}

    def _epoch(self, epoch: int) -> None:
        logits, examples = self.engine.train_epoch(epoch)
        self._record(epoch, "train", logits, self.data.train_targets[examples])
        self.kept_epoch = epoch if self.recipe.epoch == "last" else self.kept_epoch
        if len(self.data.validation):
            found, _ = forward(self.model, self.validation, self.rule, batch_size=8)
            self._record(epoch, "validation", found.numpy(), self.data.validation_targets)
        if self.recipe.epoch == "best_validation":
            self._keep_best(epoch)

    def _keep_best(self, epoch: int) -> None:
        if not len(self.data.validation):
            raise TrainingError(
                "no validation wells to choose the best epoch by",
                expected="epoch: last, or wells that can be held out",
                found="epoch: best_validation",
                where=f"training.recipes.{self.recipe.network}.{self.recipe.phase}",
            )
        loss = self.history[-1]["loss"]
        if loss < self.best_loss:
            self.best_loss, self.kept_epoch = loss, epoch
            self.best = {k: t.detach().clone() for k, t in self.model.state_dict().items()}

    def _record(self, epoch: int, split: str, logits: np.ndarray, targets: np.ndarray) -> None:
        smoothed = smooth(targets, self.recipe.label_smoothing)
        row = summary(logits, targets, smoothed, with_auroc=self.data.phase < 3)
        if not np.isfinite(row["loss"]):
            raise TrainingError(
                "the training diverged: its loss is not a number",
                expected="a finite loss",
                found=f"{row['loss']} in epoch {epoch}",
                where=f"phase {self.data.phase}, {self.recipe.network}",
                hint="lower the learning rate",
            )
        self.history.append({"epoch": epoch, "split": split, "images": len(logits), **row})

    def _checkpoint(self, epoch: int) -> Checkpoint:
        tensors = {name: t.detach().cpu() for name, t in self.engine.state().items()}
        tensors |= {f"best.{name}": t.cpu() for name, t in self.best.items()}
        best = None if not self.best else self.best_loss
        content = {"history": self.history, "kept_epoch": self.kept_epoch, "best_loss": best}
        return Checkpoint(epoch, tensors, content)

    def _resume(self, checkpoint: Checkpoint | None) -> int:
        if checkpoint is None:
            return 0
        self.engine.load_state(checkpoint.tensors)
        self.history = checkpoint.content["history"]
        self.kept_epoch = checkpoint.content["kept_epoch"]
        if checkpoint.content["best_loss"] is not None:
            self.best_loss = checkpoint.content["best_loss"]
            device = self.engine.device
            self.best = {
                name.removeprefix("best."): tensor.to(device)
                for name, tensor in checkpoint.tensors.items()
                if name.startswith("best.")
            }
        return checkpoint.epoch


def _describe_run(
    data: PhaseData,
    recipe: Recipe,
    rule: Preprocessing,
    start: Path | None,
    imagenet: Path | None,
    run: Run,
    device: torch.device,
) -> dict[str, Any]:
    """The sidecar before training; `run` is the digest of all that decides the result."""
    decides = {
        "phase": data.phase,
        "recipe": recipe.to_json(),
        "preprocessing": rule.to_json(),
        "data": data.digest(),
        "seed": run.seed,
        "start": None if start is None else digest_file(start),
        "imagenet": None if imagenet is None or start is not None else digest_file(imagenet),
        "code": code_digest(),
        "torch": torch.__version__,
        "device": describe(device),
    }
    text = json.dumps(decides, sort_keys=True, allow_nan=False)
    return {
        "exvivo": exvivo.__version__,
        "run": digest_bytes(text.encode()),
        **decides,
        "counts": {"train": len(data.train), "validation": len(data.validation)},
        "split": data.split(),
        "left_out": [list(item) for item in data.left_out],
    }


def code_digest() -> str:
    """SHA-256 over the sources of `exvivo.networks` and `exvivo.training`."""
    root = Path(__file__).resolve().parents[1]
    files = sorted([*root.glob("networks/*.py"), *root.glob("training/*.py")])
    return digest_bytes("\n".join(f"{f.name} {digest_file(f)}" for f in files).encode())
