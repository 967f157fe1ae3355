"""Training steps captured as CUDA graphs and replayed: some thousand launches become one."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from torch import Tensor

from exvivo.training import lanes

_WARM_UPS = 2  # cuDNN, cuBLAS and the allocator settle before the capture


class GraphedSteps:
    """Calls `steps` eagerly a few times, undoes what that changed, captures it, and from then on replays.

    Args:
        steps: makes a number of training steps; reads and writes tensors at fixed addresses only, and never waits for
            the device.
        state: gives the tensors that steps change and later ones read, by name.

    """

    def __init__(self, steps: Callable[[int], Tensor], state: Callable[[], dict[str, Tensor]]):
        self._steps, self._state = steps, state
        self._graphs: dict[int, tuple[torch.cuda.CUDAGraph, Tensor]] = {}

    def __call__(self, count: int) -> Tensor:
        """Make `count` steps; what `steps` returns, overwritten by the next call of the same count."""
        if count not in self._graphs:
            self._graphs[count] = self._capture(count)
        graph, found = self._graphs[count]
        graph.replay()
        return found

    def _capture(self, count: int) -> tuple[torch.cuda.CUDAGraph, Tensor]:
        before = snapshot(self._state())
        # What the next layer waits for goes before what nothing waits for yet (`training.lanes`).
        stream = torch.cuda.Stream(priority=lanes.MAIN_PRIORITY)
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UPS):
                self._steps(count)
                restore(self._state(), before)
        torch.cuda.current_stream().wait_stream(stream)
        graph = torch.cuda.CUDAGraph()
        # Another engine's graph that is thrown away during a capture ends the capture.
        gc.collect()
        collecting = gc.isenabled()
        gc.disable()
        try:
            with torch.cuda.graph(graph, stream=stream):
                found = self._steps(count)
        finally:
            if collecting:
                gc.enable()
        return graph, found


def snapshot(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies of the tensors, by name."""
    return {name: tensor.detach().clone() for name, tensor in tensors.items()}


def restore(tensors: dict[str, Tensor], before: dict[str, Tensor]) -> None:
    """Set the tensors in place to what `snapshot` kept."""
    with torch.no_grad():
        for name, tensor in tensors.items():
            tensor.copy_(before[name])
