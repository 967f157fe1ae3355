"""Adam as Keras computes it, in one fused pass and without work on the host.

Keras:   w -= lr·√(1-β2^t)/(1-β1^t) · m / (√v + ε)
PyTorch: w -= lr/(1-β1^t) · m / (√v/√(1-β2^t) + ε)

The two agree for ε = 0; otherwise Keras' ε acts like ε/√(1-β2^t) in PyTorch's formula: 32 times larger at
the first step. The published training used Keras with ε = 1e-7, so its formula is the default here.
"""

from __future__ import annotations

from math import pi

import torch
from torch import Tensor, nn

# A step count at which β^t is zero in any precision: PyTorch's kernel then corrects nothing, and the
# correction goes into the learning rate, where Keras has it.
_NO_CORRECTION = 2.0**30


class KerasAdam:
    """Fused Adam over all parameters of a model; its state lives on the device.

    Calls the kernel behind `torch.optim.Adam(fused=True)` itself: that class loads the compiler's modules,
    a second per process, and counts steps on its own.

    Args:
        model: whose parameters that want gradients are updated.
        learning_rate: at the first step.
        beta1, beta2, epsilon: of Adam, epsilon as Keras has it.
        last_step: number of the step at whose end the rate has fallen to zero along half a cosine; None
            keeps it constant.

    """

    def __init__(
        self,
        model: nn.Module,
        learning_rate: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        *,
        last_step: int | None = None,
    ):
        named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self.names = [name for name, _ in named]
        self.parameters = [p for _, p in named]
        self.last_step = last_step
        self.base_rate, self.beta1, self.beta2, self.epsilon = learning_rate, beta1, beta2, epsilon
        device = self.parameters[0].device
        self.steps = torch.zeros((), dtype=torch.float64, device=device)
        self.rate = torch.zeros((), dtype=torch.float32, device=device)
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        uncorrected = torch.tensor(_NO_CORRECTION, device=device)
        self._uncorrected = [uncorrected for _ in self.parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Update every parameter from its gradient."""
        rate = self._scheduled()
        self.steps += 1
        correction = (1 - self.beta2**self.steps).sqrt() / (1 - self.beta1**self.steps)
        self.rate.copy_(rate * correction)
        torch._fused_adam_(
            self.parameters,
            [parameter.grad for parameter in self.parameters],
            self.means,
            self.squares,
            [],
            self._uncorrected,
            lr=self.rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=0.0,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )

    def _scheduled(self) -> float | Tensor:
        """The rate of the next step before Adam's correction; from the count on the device, as a graph needs it."""
        if self.last_step is None:
            return self.base_rate
        return self.base_rate * 0.5 * (1 + (self.steps * (pi / self.last_step)).cos())

    def clear_gradients(self) -> None:
        """Forget the gradients, so that the next backward pass writes instead of adding."""
        for parameter in self.parameters:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Moments and step count by name; the tensors themselves, not copies."""
        content = {"steps": self.steps}
        content |= {f"exp_avg.{n}": t for n, t in zip(self.names, self.means, strict=True)}
        content |= {f"exp_avg_sq.{n}": t for n, t in zip(self.names, self.squares, strict=True)}
        return content
