"""One run of the loop over epochs: history, checkpoints, resuming, which epoch is kept."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from exvivo.errors import TrainingError
from exvivo.networks import Preprocessing, Recipe
from exvivo.training.checkpoints import Checkpoint, CheckpointFolder
from exvivo.training.data import PhaseData
from exvivo.training.engine import Engine, TrainingSet, forward
from exvivo.training.inference import to_device
from exvivo.training.metrics import smooth, summary
from exvivo.training.progress import Progress


class Trainer:
    """State of one run: engine, history, kept epoch."""

    def __init__(
        self,
        model: torch.nn.Module,
        data: PhaseData,
        recipe: Recipe,
        rule: Preprocessing,
        *,
        seed: int,
        device: torch.device,
        graph: bool | None = None,
    ):
        self.model, self.data, self.recipe, self.rule = model, data, recipe, rule
        used, rows = np.unique(data.train, return_inverse=True)
        images = to_device(data.images[used], recipe.input_size, device)
        training = TrainingSet(images, rows.astype(np.int64), data.train_targets)
        self.validation = to_device(data.images[data.validation], recipe.input_size, device)
        self.engine = Engine(
            model, training, recipe, rule, phase=data.phase, seed=seed, graph=graph
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
                begun = time.monotonic()
                folder.write(self._checkpoint(epoch), begun)
        self.engine.release()
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
