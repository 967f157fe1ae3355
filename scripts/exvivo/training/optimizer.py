"""Adam as Keras computes it, in one fused pass and without work on the host.

Keras:   w -= lr·√(1-β2^t)/(1-β1^t) · m / (√v + ε)
PyTorch: w -= lr/(1-β1^t) · m / (√v/√(1-β2^t) + ε)

The two agree for ε = 0; otherwise Keras' ε acts like ε/√(1-β2^t) in PyTorch's formula: 32 times larger at
the first step. The published training used Keras with ε = 1e-7, so its formula is the default here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# A step count at which β^t is zero in any precision: PyTorch's kernel then corrects nothing, and the
# correction goes into the learning rate, where Keras has it. Adding 1 to it in float32 changes nothing.
_NO_CORRECTION = 2.0**30


class KerasAdam:
    """Fused Adam over all parameters of a model; its state lives on the device."""

    def __init__(
        self, model: nn.Module, learning_rate: float, beta1: float, beta2: float, epsilon: float
    ):
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.parameters = [p for _, p in named]
        device = self.parameters[0].device
        self.beta1, self.beta2, self.base_rate = beta1, beta2, learning_rate
        self.steps = torch.zeros((), dtype=torch.float64, device=device)
        self.rate = torch.zeros((), dtype=torch.float32, device=device)
        self._adam = torch.optim.Adam(
            self.parameters,
            lr=self.rate,
            betas=(beta1, beta2),
            eps=epsilon,
            fused=True,
            capturable=device.type == "cuda",
        )
        for parameter in self.parameters:
            self._adam.state[parameter] = {
                "step": torch.tensor(_NO_CORRECTION, device=device),
                "exp_avg": torch.zeros_like(parameter),
                "exp_avg_sq": torch.zeros_like(parameter),
            }

    def step(self) -> None:
        """Update every parameter from its gradient."""
        self.steps += 1
        correction = (1 - self.beta2**self.steps).sqrt() / (1 - self.beta1**self.steps)
        self.rate.copy_(self.base_rate * correction)
        self._adam.step()

    def clear_gradients(self) -> None:
        """Forget the gradients, so that the next backward pass writes instead of adding."""
        self._adam.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Moments and step count by name; the tensors themselves, not copies."""
        content = {"steps": self.steps}
        for name, parameter in zip(self.names, self.parameters, strict=True):
            content[f"exp_avg.{name}"] = self._adam.state[parameter]["exp_avg"]
            content[f"exp_avg_sq.{name}"] = self._adam.state[parameter]["exp_avg_sq"]
        return content
