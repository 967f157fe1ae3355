"""A training step captured once as a CUDA graph and replayed: some 200 launches become one."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

_WARM_UP_STEPS = 3  # cuDNN, cuBLAS and the allocator settle before the capture


class GraphedStep:
    """Calls `step` eagerly a few times, undoes what that changed, captures it, and from then on replays.

    Args:
        step: reads and writes tensors at fixed addresses only, and never waits for the device.
        state: gives the tensors that a step changes and the next one reads, by name.

    """

    def __init__(self, step: Callable[[], None], state: Callable[[], dict[str, Tensor]]):
        self._step, self._state = step, state
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        """Run one step."""
        if self._graph is None:
            self._graph = self._capture()
        self._graph.replay()

    def _capture(self) -> torch.cuda.CUDAGraph:
        before = snapshot(self._state())
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP_STEPS):
                self._step()
                restore(self._state(), before)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._step()
        return graph


def snapshot(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors, by name."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def restore(tensors: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    """Set the tensors in place to what `snapshot` kept."""
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(before[name])
