"""Train a network for cells: stochastic gradient descent over turned crops, checkpoints, honest figures.

Shares with the viability networks what is the same: checkpoints at epoch ends from which a killed run goes on to the
same end, histories, device rules, model files. Random draws depend on seed and epoch alone.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

import exvivo
from exvivo.errors import TrainingError
from exvivo.files import digest_bytes
from exvivo.morphology.augment import draw_turns, grids, turn
from exvivo.morphology.data import CellSet, Scale, Split, centre
from exvivo.morphology.passes import laid_out, per_pass, placed
from exvivo.morphology.recipe import CellRecipe
from exvivo.networks.cells import build_cell_network
from exvivo.training.checkpoints import Checkpoint, CheckpointFolder
from exvivo.training.devices import describe
from exvivo.training.metrics import summary
from exvivo.training.progress import Progress
from exvivo.training.sources import code_digest

logger = logging.getLogger(__name__)
_STATISTICS = 2000  # cells in a batch whose statistics are averaged at the end


@dataclass(frozen=True)
class TrainedCells:
    """A trained network that is not written yet: `module`, `scale` of its input, `record`, `history`."""

    module: nn.Module
    scale: Scale
    record: dict[str, Any]
    history: list[dict[str, Any]]


def train_cells(
    data: CellSet,
    split: Split,
    recipe: CellRecipe,
    *,
    seed: int = 0,
    device: torch.device | str = "cpu",
    checkpoints: Path | None = None,
    checkpoint_seconds: float = 60.0,
    model: nn.Module | None = None,
    scale: Scale | None = None,
) -> TrainedCells:
    """Train on the weak labels of `split.train` and judge by `split.test`.

    Args:
        data: crops and labels.
        split: which cells are trained on.
        recipe: of the network.
        seed: of weights, order and turns.
        device: to compute on.
        checkpoints: folder, removed at the end by the caller's model; None keeps none.
        checkpoint_seconds: shortest time between two checkpoints.
        model: start weights, for transfer learning; random by default.
        scale: of the start weights' input; measured on the training crops by default.

    Raises:
        TrainingError: flat channels, or a training that diverged.

    """
    channels = data.crops.shape[1]
    module = model or build_cell_network(
        recipe.network, channels=channels, size=data.size, seed=seed
    )
    scale = scale or Scale.of(data.crops[split.train], data.size)
    inputs = {
        "recipe": recipe.to_json(),
        "data": data.digest(),
        "split": digest_bytes(
            b"".join(getattr(split, p).tobytes() for p in ("train", "validation", "test"))
        ),
        "seed": seed,
        "start": "random" if model is None else _weights_digest(module),
        "scale": scale.to_json(),
        "code": code_digest(),
        "torch": torch.__version__,
        "device": describe(torch.device(device)),
    }
    run = digest_bytes(json.dumps(inputs, sort_keys=True).encode())
    loop = _Loop(placed(module, device), data, split, recipe, scale, seed, torch.device(device))
    loop.train(CheckpointFolder(checkpoints, run, checkpoint_seconds))
    record = {"exvivo": exvivo.__version__, "run": run, **inputs, "counts": split.counts()}
    record |= {"held_out_by": split.by, "metrics": loop.judge()}
    return TrainedCells(module, scale, record, loop.history)


class _Loop:
    """State of one run: network, momenta, history."""

    def __init__(
        self,
        module: nn.Module,
        data: CellSet,
        split: Split,
        recipe: CellRecipe,
        scale: Scale,
        seed: int,
        device: torch.device,
    ):
        self.module, self.data, self.split, self.recipe = module, data, split, recipe
        self.seed, self.device = seed, device
        self.crops = torch.from_numpy(np.ascontiguousarray(data.crops[split.train])).to(device)
        self.labels = torch.from_numpy(data.cancer[split.train].astype(np.int64)).to(device)
        self.grid = grids(data.crops.shape[-1], data.size).to(device)
        self.mean, self.sd = (
            torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (scale.mean, scale.sd)
        )
        self.optimizer = torch.optim.SGD(
            _decayed(module, recipe.l2), lr=recipe.learning_rate, momentum=recipe.momentum
        )
        self.history: list[dict[str, Any]] = []
        self.sums: dict[
            str, Tensor
        ] = {}  # of the weights of the last epochs, where they are averaged

    def train(self, folder: CheckpointFolder) -> None:
        done = self._resume(folder.newest())
        epochs, count = self.recipe.epochs, len(self.labels)
        progress = Progress(f"cells {self.recipe.network}", epochs * count, done * count)
        for epoch in range(done + 1, epochs + 1):
            self._epoch(epoch)
            progress.advance(count, f"epoch {epoch}, loss {self.history[-1]['loss']:.4f}")
            if epoch > epochs - self.recipe.average:
                self._add_weights()
            if folder.due() and epoch < epochs:
                folder.write(Checkpoint(epoch, self._state(), {"history": self.history}))
        self._take_average()
        self._settle_statistics()

    def judge(self) -> dict[str, Any]:
        """Figures of the finished network on each part, without turns."""
        return {
            part: _figures(
                self._logits(getattr(self.split, part)), self.data.cancer[getattr(self.split, part)]
            )
            for part in ("train", "validation", "test")
            if len(getattr(self.split, part))
        }

    def _epoch(self, epoch: int) -> None:
        self.module.train()
        torch.manual_seed(
            int(np.random.default_rng([self.seed, epoch, 4]).integers(2**62))
        )  # dropout
        order, turns = draw_turns(self.seed, epoch, len(self.labels))
        seen = []
        for start in range(0, len(order), self.recipe.batch_size):
            own = torch.from_numpy(order[start : start + self.recipe.batch_size]).to(self.device)
            if len(own) == 1 and len(order) > 1:
                continue  # of one cell no statistics can be taken
            seen.append(self._step(own, torch.from_numpy(turns).to(self.device)[own]))
        logits = np.concatenate([values for values, _ in seen])
        rows = np.concatenate([rows for _, rows in seen])
        self._record(epoch, "train", logits, self.data.cancer[self.split.train][rows])
        if len(self.split.validation):
            found = self._logits(self.split.validation)
            self._record(epoch, "validation", found, self.data.cancer[self.split.validation])

    def _step(self, own: Tensor, turns: Tensor) -> tuple[NDArray, NDArray]:
        inputs = turn((self.crops[own].float() - self.mean) / self.sd, turns, self.grid)
        logits = self.module(laid_out(inputs))
        self.optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits, self.labels[own]).backward()
        self.optimizer.step()
        return logits.detach().float().cpu().numpy(), own.cpu().numpy()

    def _logits(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        self.module.eval()
        count = per_pass(self.device)
        starts = range(0, len(rows), count)
        with torch.inference_mode():
            found = [self.module(self._inputs(rows[s : s + count])) for s in starts]
            return torch.cat(found).float().cpu().numpy()

    def _inputs(self, rows: NDArray[np.int64]) -> Tensor:
        inner = np.ascontiguousarray(centre(self.data.crops[rows], self.data.size))
        return laid_out((torch.from_numpy(inner).to(self.device).float() - self.mean) / self.sd)

    def _add_weights(self) -> None:
        for name, parameter in self.module.named_parameters():
            own = parameter.detach().double()
            self.sums[name] = self.sums[name] + own if name in self.sums else own

    def _take_average(self) -> None:
        with torch.no_grad():
            for name, parameter in self.module.named_parameters():
                if name in self.sums:
                    parameter.copy_(self.sums[name] / self.recipe.average)

    def _settle_statistics(self) -> None:
        """Normalise by the whole training set at the end, as the authors' software does, not by the last batches."""
        norms = [m for m in self.module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over all batches
        self.module.eval()
        for norm in norms:
            norm.train()
        with torch.no_grad():
            whole = len(self.split.train) // _STATISTICS * _STATISTICS or len(self.split.train)
            for start in range(0, whole if norms else 0, _STATISTICS):
                self.module(self._inputs(self.split.train[start : start + _STATISTICS]))
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        self.module.eval()

    def _record(self, epoch: int, split: str, logits: NDArray, cancer: NDArray[np.bool_]) -> None:
        row = _figures(logits, cancer)
        if not np.isfinite(row["loss"]):
            raise TrainingError(
                "the training diverged: its loss is not a number",
                expected="a finite loss",
                found=f"{row['loss']} in epoch {epoch}",
                where=f"cells, {self.recipe.network}",
                hint="lower the learning rate",
            )
        self.history.append({"epoch": epoch, "split": split, "images": len(logits), **row})

    def _state(self) -> dict[str, Tensor]:
        content = {
            f"model.{name}": t.detach().cpu() for name, t in self.module.state_dict().items()
        }
        for number, parameter in enumerate(self.module.parameters()):
            buffer = self.optimizer.state[parameter].get("momentum_buffer")
            if buffer is not None:
                content[f"momentum.{number}"] = buffer.detach().cpu()
        return content | {f"sum.{name}": total.cpu() for name, total in self.sums.items()}

    def _resume(self, checkpoint: Checkpoint | None) -> int:
        if checkpoint is None:
            return 0
        tensors = checkpoint.tensors
        weights = {
            n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")
        }
        self.module.load_state_dict(weights)
        for number, parameter in enumerate(self.module.parameters()):
            if (buffer := tensors.get(f"momentum.{number}")) is not None:
                self.optimizer.state[parameter]["momentum_buffer"] = buffer.to(self.device)
        self.sums = {
            n.removeprefix("sum."): t.to(self.device)
            for n, t in tensors.items()
            if n.startswith("sum.")
        }
        self.history = checkpoint.content["history"]
        return checkpoint.epoch


def _decayed(module: nn.Module, l2: float) -> list[dict[str, Any]]:
    """Weights of convolutions and dense layers shrink; biases and normalisation do not."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in module.parameters():
        groups[parameter.dim() > 1].append(parameter)
    return [
        {"params": groups[True], "weight_decay": l2},
        {"params": groups[False], "weight_decay": 0.0},
    ]


def _figures(logits: NDArray, cancer: NDArray[np.bool_]) -> dict[str, Any]:
    hard = np.eye(2)[cancer.astype(np.int64)]
    return summary(logits, hard, hard, with_auroc=True)


def _weights_digest(module: nn.Module) -> str:
    tensors = module.state_dict()
    return digest_bytes(b"".join(tensors[name].cpu().numpy().tobytes() for name in sorted(tensors)))
