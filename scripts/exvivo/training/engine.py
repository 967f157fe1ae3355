"""The training loop: steps on static shapes, the same code on a CPU and inside a CUDA graph.

All of a run's images stay on the device; what an epoch draws at random (order, warps, factors) is copied
there once at its start. Steps read their rows of these tables by a cursor on the device, so that nothing of
them depends on the host and a graph of them can be replayed. A few steps go together: their images are varied at once,
and inside them the update of one step overlaps with the forward pass of the next (`training.updates`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from exvivo.networks.preprocessing import Preprocessing
from exvivo.networks.recipes import Recipe
from exvivo.training import bottleneck
from exvivo.training.augmentation import AUGMENT, affine, draw, normalise
from exvivo.training.devices import half_precision
from exvivo.training.graphs import GraphedSteps
from exvivo.training.metrics import cross_entropy_slope, smooth
from exvivo.training.optimizer import KerasAdam
from exvivo.training.updates import Updates

TOGETHER = 8  # steps in one graph


@dataclass(frozen=True)
class TrainingSet:
    """Rows to train on.

    Attributes: `images` (m, 2, S, S) float32 in [0, 1] on the device; `rows` (n,) which image each training
    example shows; `targets` (n, 2) float64 before smoothing.
    """

    images: Tensor
    rows: np.ndarray
    targets: np.ndarray


class Engine:
    """Trains one model on one set of images, epoch by epoch.

    Args:
        model: on the device.
        data: images and targets.
        recipe: of the phase.
        rule: pre-processing of the weights in use.
        phase, seed: key of the random draws.
        graph: capture the step as a CUDA graph; None does so on a GPU.

    """

    def __init__(
        self,
        model: nn.Module,
        data: TrainingSet,
        recipe: Recipe,
        rule: Preprocessing,
        *,
        phase: int,
        seed: int,
        graph: bool | None = None,
    ):
        # Channels last: vectorised depthwise convolutions on a CPU, tensor cores on a GPU.
        self.model = model.to(memory_format=torch.channels_last).train()
        self.data, self.recipe, self.rule = data, recipe, rule
        self.phase, self.seed = phase, seed
        self.device = data.images.device
        self.batch = min(recipe.batch_size, len(data.rows))
        self.steps = -(-len(data.rows) // self.batch)
        self.optimizer = KerasAdam(
            model,
            recipe.learning_rate,
            recipe.beta1,
            recipe.beta2,
            recipe.epsilon,
            last_step=recipe.epochs * self.steps if recipe.schedule == "cosine" else None,
        )
        self._augment = AUGMENT[recipe.augmentation]
        self._make_tables()
        self.updates = Updates(
            self.model, self.optimizer, half_precision(recipe.precision, self.device)
        )
        self.passes = bottleneck.take_over(self.model)
        self._taken_over = [part for part in (self.updates, self.passes) if part is not None]
        use_graph = self.device.type == "cuda" if graph is None else graph
        self._graphs = GraphedSteps(self._steps, self._steps_state) if use_graph else None

    def _make_tables(self) -> None:
        shape, on = (self.steps, self.batch), self.device
        exact = torch.float64 if self.recipe.augmentation == "legacy" else torch.float32
        smoothed = smooth(self.data.targets, self.recipe.label_smoothing)
        self._targets = torch.from_numpy(smoothed).float().to(on)
        self._rows = torch.from_numpy(self.data.rows).to(on)
        self._cursor = torch.zeros(1, dtype=torch.int64, device=on)
        self._ahead = torch.arange(TOGETHER, device=on)
        self._order = torch.zeros(shape, dtype=torch.int64, device=on)
        self._shares = torch.zeros(shape, device=on)
        self._maps = torch.zeros((*shape, 2, 3), dtype=exact, device=on)
        self._factors = torch.zeros(shape, device=on)
        self._logits = torch.zeros((*shape, 2), device=on)

    def train_epoch(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """Run one epoch (1-based).

        Returns:
            logits: (n, 2), each from the step that trained on the example, as Keras reports training.
            examples: (n,) the example each row belongs to.

        """
        order = self._load_tables(epoch)
        for done in range(0, self.steps, TOGETHER):
            count = min(TOGETHER, self.steps - done)
            self._logits[done : done + count].copy_(self._run(count))
        logits = self._logits.cpu().numpy().reshape(-1, 2)[: len(order)].copy()
        return logits, order

    def release(self) -> None:
        """Give the model its own passes back, and let go of the captured graphs and their memory."""
        for part in self._taken_over:
            part.release()
        self._graphs = None

    def _run(self, count: int) -> Tensor:
        return self._steps(count) if self._graphs is None else self._graphs(count)

    def _load_tables(self, epoch: int) -> np.ndarray:
        size, count = self.data.images.shape[-1], len(self.data.rows)
        order, parameters = draw(self.seed, self.phase, epoch, count, size)
        # The last step is filled up with the epoch's first examples at weight zero: one shape for all.
        position = np.arange(self.steps * self.batch)
        inside = position < count
        position = position % count
        of_step = inside.reshape(self.steps, self.batch)
        shares = of_step / of_step.sum(1, keepdims=True)  # of each example in its step's mean
        maps = affine(parameters, size)[position]
        for table, values in (
            (self._order, order[position]),
            (self._shares, shares),
            (self._maps, maps),
            (self._factors, parameters[position, 7]),
        ):
            table.copy_(torch.from_numpy(values).reshape(table.shape))
        self._cursor.zero_()
        return order

    def _steps(self, count: int) -> Tensor:
        """Make steps; logits (count, batch, 2) before each one's update."""
        rows = self._cursor + self._ahead[:count]
        examples = self._order.index_select(0, rows).flatten()
        with torch.no_grad():
            inputs = self._augment(
                self.data.images.index_select(0, self._rows.index_select(0, examples)),
                self._maps.index_select(0, rows).flatten(0, 1),
                self._factors.index_select(0, rows).flatten(),
                self.rule,
            ).contiguous(memory_format=torch.channels_last)
            targets = self._targets.index_select(0, examples).unflatten(0, (count, self.batch))
            shares = self._shares.index_select(0, rows)
            rates = self.optimizer.rates(count)
            self._cursor += count
            for part in self._taken_over:
                part.refresh()
        steps = zip(inputs.split(self.batch), targets, shares, rates, strict=True)
        found = torch.stack([self._step(*values) for values in steps])
        self.updates.lanes.join()
        return found

    def _step(self, inputs: Tensor, targets: Tensor, shares: Tensor, rate: Tensor) -> Tensor:
        self.updates.rate = rate
        logits = self.model(inputs)
        found = logits.detach().float()
        logits.backward(cross_entropy_slope(found, targets, shares))
        self.optimizer.update_rest(rate)
        return found

    def _steps_state(self) -> dict[str, Tensor]:
        return {**self.state(), "cursor": self._cursor}

    def state(self) -> dict[str, Tensor]:
        """Everything a step changes that the next one reads: weights, moments, step count; not copies."""
        content = {f"model.{name}": t for name, t in self.model.state_dict().items()}
        content |= {f"adam.{name}": t for name, t in self.optimizer.state().items()}
        return content

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Set the state in place from tensors of the same names."""
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(tensors[name])


def forward(
    model: nn.Module, images: Tensor, rule: Preprocessing, *, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Logits (n, 2) and penultimate features (n, F), both float32 on the CPU, without augmentation.

    The last batch is filled up, so that every image is computed in a batch of one shape and its numbers
    do not depend on how many came with it.
    """
    logits, features = [], []
    count = len(images)
    with torch.inference_mode():
        for start in range(0, count, batch_size):
            index = torch.arange(start, start + batch_size, device=images.device).clamp(
                max=count - 1
            )
            inputs = normalise(images.index_select(0, index), rule)
            found = model.forward_features(inputs.contiguous(memory_format=torch.channels_last))
            used = min(batch_size, count - start)
            features.append(found[:used].float().cpu())
            logits.append(model.head()(found)[:used].float().cpu())
    if not logits:
        return torch.zeros(0, 2), torch.zeros(0, model.n_features)
    return torch.cat(logits), torch.cat(features)
