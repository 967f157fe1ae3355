"""Streams beside the main one, for work of a training step that nothing waits for yet.

The main stream carries what the next layer needs: activations forward, their gradients backward. Gradients and updates of
weights go beside it, so that the memory traffic of the optimiser hides behind the arithmetic of the convolutions.
On a CPU there are no streams and everything runs where it is called.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

# What is waited for goes first, a smaller number before a larger one.
MAIN_PRIORITY = -2
PRIORITIES = {"dense": 0}  # the dense layers' weights are needed last
_OTHERS = -1


class Lanes:
    """Side streams by name, the same code inside a CUDA graph and outside.

    Args:
        device: of the work; on a CPU every lane is the caller's own thread.

    """

    def __init__(self, device: torch.device):
        self._device = device
        self._streams: dict[str, torch.cuda.Stream] = {}
        self._used: dict[str, torch.cuda.Stream] = {}
        self._done: dict[Hashable, torch.cuda.Event] = {}
        # A side stream reads tensors that the allocator of the main stream must not hand out again before.
        self._kept: dict[Hashable, tuple[Tensor, ...]] = {}

    @contextmanager
    def beside(self, lane: str, key: Hashable, *reads: Tensor) -> Iterator[None]:
        """Run the block on `lane` after all that was issued so far; `key` names it for `wait`.

        `reads` are tensors of the main stream that the block uses. They are kept until `join` or the next block of
        this key, before which the main stream has to `wait` for it.
        """
        if self._device.type != "cuda":
            yield
            return
        if lane not in self._streams:
            self._streams[lane] = torch.cuda.Stream(
                self._device, priority=PRIORITIES.get(lane, _OTHERS)
            )
        stream = self._used[lane] = self._streams[lane]
        stream.wait_stream(torch.cuda.current_stream(self._device))
        self._kept[key] = reads
        with torch.cuda.stream(stream):
            yield
            self._done[key] = stream.record_event()

    def wait(self, key: Hashable) -> None:
        """Let the current stream wait for the block of this key, if there is one since the last `join`."""
        event = self._done.get(key)
        if event is not None:
            torch.cuda.current_stream(self._device).wait_event(event)

    def join(self) -> None:
        """Let the current stream wait for the lanes in use, and forget what they read."""
        for stream in self._used.values():
            torch.cuda.current_stream(self._device).wait_stream(stream)
        self._used.clear()
        self._done.clear()
        self._kept.clear()
