"""The training loop as a person would write it in eager PyTorch: the yardstick of tests and benchmarks.

PyTorch's own convolutions, no folding of normalisations, no fused optimiser, no channels-last layout, no tables
on the device; the same draws, augmentation, targets and formula of Adam. `exvivo.training.engine` must give the same weights up to
rounding, and be faster.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from exvivo.networks.layers import FrozenBatchNorm2d, SameConv2d
from exvivo.networks.preprocessing import Preprocessing
from exvivo.networks.recipes import Recipe
from exvivo.training.augmentation import AUGMENT, affine, draw
from exvivo.training.engine import TrainingSet
from exvivo.training.metrics import cross_entropy, smooth


class PlainLoop:
    """Trains like `Engine`, plainly; arguments as there."""

    def __init__(
        self,
        model: nn.Module,
        data: TrainingSet,
        recipe: Recipe,
        rule: Preprocessing,
        *,
        phase: int,
        seed: int,
    ):
        for module in model.modules():
            if isinstance(module, FrozenBatchNorm2d):
                module.folded = False
            if isinstance(module, SameConv2d):
                module.plain = True
        self.model, self.data, self.recipe, self.rule = model, data, recipe, rule
        self.phase, self.seed, self.steps_done = phase, seed, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in model.parameters()]

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Run one epoch (1-based); logits (n, 2) in the epoch's order."""
        size, count = self.data.images.shape[-1], len(self.data.rows)
        order, parameters = draw(self.seed, self.phase, epoch, count, size)
        logits = []
        for start in range(0, count, self.recipe.batch_size):
            part = slice(start, start + self.recipe.batch_size)
            logits.append(self.step(order[part], parameters[part]).numpy())
        return np.concatenate(logits)

    def step(self, examples: np.ndarray, parameters: np.ndarray) -> Tensor:
        """One step on some training examples; their logits."""
        device = self.data.images.device
        maps = torch.from_numpy(affine(parameters, self.data.images.shape[-1]))
        maps = maps.float() if self.recipe.augmentation == "clean" else maps
        images = self.data.images[torch.from_numpy(self.data.rows[examples]).to(device)]
        factors = torch.from_numpy(parameters[:, 7]).float().to(device)
        inputs = AUGMENT[self.recipe.augmentation](images, maps.to(device), factors, self.rule)
        targets = smooth(self.data.targets[examples], self.recipe.label_smoothing)
        logits = self.model(inputs)
        self.model.zero_grad()
        cross_entropy(logits, torch.from_numpy(targets).float().to(device)).mean().backward()
        self._adam()
        return logits.detach().cpu()

    @torch.no_grad()
    def _adam(self) -> None:
        recipe = self.recipe
        self.steps_done += 1
        rate = recipe.learning_rate * (1 - recipe.beta2**self.steps_done) ** 0.5
        rate /= 1 - recipe.beta1**self.steps_done
        if recipe.schedule == "cosine":
            last = recipe.epochs * math.ceil(len(self.data.rows) / recipe.batch_size)
            rate *= 0.5 * (1 + math.cos(math.pi * (self.steps_done - 1) / last))
        for parameter, (mean, square) in zip(self.model.parameters(), self.moments, strict=True):
            mean.mul_(recipe.beta1).add_(parameter.grad, alpha=1 - recipe.beta1)
            square.mul_(recipe.beta2).addcmul_(
                parameter.grad, parameter.grad, value=1 - recipe.beta2
            )
            parameter.sub_(rate * mean / (square.sqrt() + recipe.epsilon))
