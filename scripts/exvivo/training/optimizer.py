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

from exvivo.training import kernels

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
        self.means = [torch.zeros_like(p) for p in self.parameters]
        self.squares = [torch.zeros_like(p) for p in self.parameters]
        self._uncorrected = torch.tensor(_NO_CORRECTION, device=device)
        self._place = {id(p): i for i, p in enumerate(self.parameters)}
        self._constants = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        # whether to use the kernels of `training.kernels`
        self.kernels = kernels.available(device)

    def rates(self, count: int) -> Tensor:
        """Rates (count,) float32 of the next steps, Adam's correction included; the steps count as made."""
        made = self.steps + torch.arange(count, dtype=torch.float64, device=self.steps.device)
        rate: float | Tensor = self.base_rate
        if self.last_step is not None:
            rate = rate * 0.5 * (1 + (made * (pi / self.last_step)).cos())
        correction = (1 - self.beta2 ** (made + 1)).sqrt() / (1 - self.beta1 ** (made + 1))
        self.steps += count
        return (rate * correction).float()

    @torch.no_grad()
    def update(self, parameters: list[Tensor], gradients: list[Tensor], rate: Tensor) -> None:
        """Update some parameters from their gradients; `rate` is a scalar of `rates`."""
        places = [self._place[id(parameter)] for parameter in parameters]
        gradients = [
            _laid_out(gradient, parameter)
            for gradient, parameter in zip(gradients, parameters, strict=True)
        ]
        torch._fused_adam_(
            parameters,
            gradients,
            [self.means[i] for i in places],
            [self.squares[i] for i in places],
            [],
            [self._uncorrected] * len(places),
            lr=rate,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=0.0,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )

    @torch.no_grad()
    def update_dense(
        self, weight: Tensor, bias: Tensor, gradient: Tensor, input: Tensor, rate: Tensor
    ) -> None:
        """Update a dense layer from the gradients (n, outputs) of its outputs and its inputs (n, inputs).

        On a GPU the weight's gradient, a sum of n outer products, is not written (`training.kernels`).
        """
        if self.kernels and len(input) <= kernels.MOST_IMAGES:
            kernels.outer_adam(
                weight, *self._moments(weight), gradient, input, rate, **self._constants
            )
            kernels.bias_adam(bias, *self._moments(bias), gradient, rate, **self._constants)
        else:
            self.update([weight, bias], [gradient.t() @ input, gradient.sum(0)], rate)

    @torch.no_grad()
    def update_conv(
        self,
        weight: Tensor,
        bias: Tensor,
        gradient: Tensor,
        sums: Tensor,
        rate: Tensor,
        copies: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Update a convolution from its weight's gradient and partial sums (p, C) of its bias'.

        `copies` of weight and bias, in another precision and the same layout, follow.
        """
        if self.kernels:
            gradient = _laid_out(gradient, weight)
            first, second = copies or (None, None)
            kernels.adam(weight, *self._moments(weight), gradient, rate, first, **self._constants)
            kernels.bias_adam(bias, *self._moments(bias), sums, rate, second, **self._constants)
            return
        self.update([weight, bias], [gradient.float(), sums.sum(0)], rate)
        for copy, parameter in zip(copies or (), (weight, bias), strict=False):
            copy.copy_(parameter)

    def _moments(self, parameter: Tensor) -> tuple[Tensor, Tensor]:
        place = self._place[id(parameter)]
        return self.means[place], self.squares[place]

    def update_rest(self, rate: Tensor) -> None:
        """Update all parameters that have a gradient, and forget the gradients."""
        found = [parameter for parameter in self.parameters if parameter.grad is not None]
        if found:
            self.update(found, [parameter.grad for parameter in found], rate)
        for parameter in found:
            parameter.grad = None

    def state(self) -> dict[str, Tensor]:
        """Moments and step count by name; the tensors themselves, not copies."""
        content = {"steps": self.steps}
        content |= {f"exp_avg.{n}": t for n, t in zip(self.names, self.means, strict=True)}
        content |= {f"exp_avg_sq.{n}": t for n, t in zip(self.names, self.squares, strict=True)}
        return content


def _laid_out(gradient: Tensor, parameter: Tensor) -> Tensor:
    """The gradient in the parameter's layout: kernels walk over memory."""
    if gradient.stride() == parameter.stride():
        return gradient
    return torch.empty_like(parameter, dtype=gradient.dtype).copy_(gradient)
