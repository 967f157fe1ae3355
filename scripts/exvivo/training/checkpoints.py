"""Checkpoints at epoch ends: a run that is killed at any moment goes on and ends the same.

A checkpoint is a safetensors file (weights, optimiser moments, step count, best weights) and a JSON beside
it, written last, with the file's SHA-256, the epoch, the history so far and the digest of the run. Random
draws depend on seed, phase and epoch alone (`training.augmentation.draw`), so the epoch is the random state.
A file without its JSON, or whose digest does not fit, is half-written: the one before it is used.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from exvivo.files import digest_file, read_json, write_json
from exvivo.networks.tensorfiles import save_tensors

logger = logging.getLogger(__name__)
FORMAT = "exvivo checkpoint 1"
_KEPT = 2
_MOST_OF_TIME = 0.05  # that checkpoints may take: VGG19 has 1.7 GB of state, and its phase II takes 20 s on a GPU


@dataclass(frozen=True)
class Checkpoint:
    """State after a whole epoch.

    Attributes: `epoch` last finished (1-based), `tensors` by name on the CPU, `content` what else the run
    needs (history, best epoch), as plain values.
    """

    epoch: int
    tensors: dict[str, Tensor]
    content: dict[str, Any]


class CheckpointFolder:
    """Checkpoints of one run; `folder` None keeps none.

    Args:
        folder: made when the first checkpoint is written.
        run: digest of everything that decides the result; checkpoints of another run are not used.
        seconds: shortest time between two checkpoints; longer where writing one takes more than a twentieth of it;
            0 writes one after every epoch.

    """

    def __init__(self, folder: Path | None, run: str, seconds: float = 60.0):
        self.folder, self.run, self.seconds = folder, run, seconds
        self._last, self._took = time.monotonic(), 0.0

    def due(self) -> bool:
        """Whether enough time has passed since the last checkpoint, also for what that one took."""
        wait = max(self.seconds, self._took / _MOST_OF_TIME) if self.seconds else 0
        return self.folder is not None and time.monotonic() - self._last >= wait

    def write(self, checkpoint: Checkpoint, begun: float | None = None) -> None:
        """Write a checkpoint, whole or not at all, and drop all but the newest two.

        `begun` is when its making began (`time.monotonic`), if that was before this call.
        Another copy of the job (on a node that the scheduler gave up, and that lives on) may drop or rename
        files meanwhile. That costs a checkpoint, never the training: both copies compute the same.
        """
        if self.folder is None:
            return
        begun = time.monotonic() if begun is None else begun
        try:
            self._write(self.folder, checkpoint)
        except FileNotFoundError as error:
            logger.warning("a checkpoint was lost to another copy of this job: %s", error.filename)
        self._last = time.monotonic()
        self._took = self._last - begun

    def _write(self, folder: Path, checkpoint: Checkpoint) -> None:
        path = folder / f"epoch{checkpoint.epoch:06d}.safetensors"
        save_tensors(path, checkpoint.tensors, {"format": FORMAT})
        content = {
            "run": self.run,
            "epoch": checkpoint.epoch,
            "sha256": digest_file(path),
            "content": checkpoint.content,
        }
        write_json(path.with_suffix(".json"), content)
        for old in sorted(folder.glob("epoch*.safetensors"))[:-_KEPT]:
            old.with_suffix(".json").unlink(missing_ok=True)
            old.unlink(missing_ok=True)

    def newest(self) -> Checkpoint | None:
        """The newest whole checkpoint of this run, or None."""
        if self.folder is None or not self.folder.is_dir():
            return None
        for path in sorted(self.folder.glob("epoch*.safetensors"), reverse=True):
            checkpoint = self._read(path)
            if checkpoint is not None:
                logger.info("going on after epoch %d from %s", checkpoint.epoch, path.name)
                return checkpoint
        return None

    def remove(self) -> None:
        """Remove all checkpoints: the run has ended and its model is written.

        Another copy of the job may still write here; what it leaves it removes at its own end.
        """
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _read(self, path: Path) -> Checkpoint | None:
        sidecar = path.with_suffix(".json")
        if not sidecar.is_file():
            logger.warning("%s is half-written: not used", path.name)
            return None
        try:
            content = read_json(sidecar)
            whole = content["sha256"] == digest_file(path)
            if not whole:
                logger.warning("%s is damaged (its digest differs): not used", path.name)
            elif content["run"] != self.run:
                logger.info("%s belongs to a run with other data or settings: not used", path.name)
            else:
                return Checkpoint(content["epoch"], load_file(path), content["content"])
        except (OSError, ValueError, KeyError, json.JSONDecodeError) as error:
            logger.warning("%s cannot be read (%s): not used", path.name, error)
        return None
