"""Model files of networks for cells, and calling cells with them, a chunk at a time.

The file format is that of the viability models: safetensors with what is needed to use them as metadata, a JSON with how
they came about, a table of the training's history.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from exvivo.crops import CropReader, CropSettings
from exvivo.errors import StoreError
from exvivo.morphology.data import Scale, centre
from exvivo.morphology.passes import laid_out, per_pass, placed
from exvivo.morphology.training import TrainedCells
from exvivo.networks.cells import build_cell_network
from exvivo.networks.tensorfiles import unpack
from exvivo.training.models import write_files

FORMAT = "exvivo cell model 1"


@dataclass(frozen=True)
class CellModel:
    """A network for cells and the crops it was trained on: `network`, `crops` (size, pixels, channels), `scale`."""

    module: nn.Module
    network: str
    crops: CropSettings
    scale: Scale

    def check(self, crops: CropSettings, where: str) -> None:
        """Raise `StoreError` unless `crops` are of the kind this network was trained on."""
        mine, other = ((c.size, c.pixel_um, c.channels) for c in (self.crops, crops))
        if mine != other:
            raise StoreError(
                "this model was trained on crops of another kind",
                expected=_in_words(self.crops),
                found=_in_words(crops),
                where=where,
                hint="use a model of this kind of crops, or cut the plate's crops with its settings",
            )


def save_cell_model(
    path: Path | str,
    trained: TrainedCells,
    network: str,
    crops: CropSettings,
    record: dict[str, Any] | None = None,
) -> None:
    """Write weights, history and, last, the sidecar; `record` adds to what training recorded."""
    metadata = {
        "format": FORMAT,
        "network": network,
        "crops": json.dumps(crops.to_json()),
        "scale": json.dumps(trained.scale.to_json()),
    }
    weights = {name: t.detach().cpu() for name, t in trained.module.state_dict().items()}
    write_files(path, weights, metadata, {**trained.record, **(record or {})}, trained.history)


def save_skipped_cells(path: Path | str, reason: str) -> None:
    """Write the files of a network that could not be trained: no weights, and why."""
    write_files(path, {}, {"format": FORMAT, "skipped": reason}, {"skipped": reason}, ())


def skipped_cells(path: Path | str) -> str:
    """Why the network at `path` was not trained; empty if it was. Raises `StoreError` if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as handle:
            return unpack(handle.metadata()).get("skipped", "")
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def load_cell_model(path: Path | str, device: torch.device | str = "cpu") -> CellModel:
    """Read a model. Raises `StoreError` if it is missing, damaged, or not one for cells."""
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = unpack(handle.metadata())
        if metadata.get("format") != FORMAT:
            raise ValueError(f"format {metadata.get('format', 'missing')}")
        crops = CropSettings.from_json(json.loads(metadata["crops"]))
        scale = Scale.from_json(json.loads(metadata["scale"]))
        module = build_cell_network(
            metadata["network"], channels=len(crops.channels), size=crops.size
        )
        module.load_state_dict(load_file(path))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    return CellModel(module.to(device).eval(), metadata["network"], crops, scale)


def start_weights(path: Path | str, network: str, crops: CropSettings) -> nn.Module:
    """The network at `path` to go on training from, on a screen's own crops.

    Heinemann et al. 2022 transfer a network to further samples. Grey values are scaled anew by the crops it is trained on: another lamp
    is what it has to learn least. Raises `StoreError` for another kind of network or of crops.
    """
    found = load_cell_model(path)
    where = f"cells.training.start ({Path(path).name})"
    if found.network != network:
        raise StoreError(
            "a training cannot go on from another kind of network",
            expected=network,
            found=found.network,
            where=where,
            hint="name a released model of this network, or none",
        )
    found.check(crops, where)
    return found.module.train()


@dataclass(frozen=True)
class Called:
    """Cells of a plate: `cancer` (n,) float32 probability, and `features` (n, F) where they were asked for."""

    cancer: NDArray[np.float32]
    features: NDArray[np.float32] | None = None


def call_crops(
    model: CellModel,
    reader: CropReader,
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 4096,
    with_features: bool = False,
) -> Called:
    """Call every crop of a reader, in its order; memory does not grow with their number (features do)."""
    for store in reader.stores:
        model.check(store.settings, f"crops of plate {store.plate}")
    cancer = np.full(len(reader), np.nan, np.float32)
    features = (
        np.zeros((len(reader), model.module.n_features), np.float32) if with_features else None
    )
    for places, crops in _batches(reader, batch_size):
        found = call_arrays(model.module, model.scale, crops, model.crops.size, device=device)
        cancer[places] = found.cancer
        if features is not None:
            features[places] = found.features
    return Called(cancer, features)


def call_arrays(
    module: nn.Module,
    scale: Scale,
    crops: NDArray[np.generic],
    size: int,
    *,
    device: torch.device | str = "cpu",
) -> Called:
    """Call crops (n, C, P, P) in memory, with their features (n, F)."""
    mean, sd = (torch.tensor(v, device=device).view(1, -1, 1, 1) for v in (scale.mean, scale.sd))
    module, count = placed(module, device).eval(), per_pass(device)
    cancer = np.empty(len(crops), np.float32)
    features = np.empty((len(crops), module.n_features), np.float32)
    with torch.inference_mode():
        for start in range(0, len(crops), count):
            own = slice(start, start + count)
            inner = np.ascontiguousarray(centre(crops[own], size))
            inputs = (torch.from_numpy(inner).to(device).float() - mean) / sd
            found = module.forward_features(laid_out(inputs))
            logits = module.from_features(found).float()
            cancer[own] = logits.softmax(1)[:, 1].cpu().numpy()
            features[own] = found.float().cpu().numpy()
    return Called(cancer, features)


def _batches(reader: CropReader, batch_size: int) -> Iterator[tuple[NDArray, NDArray]]:
    for places, crops in reader.in_order():
        for start in range(0, len(places), batch_size):
            yield places[start : start + batch_size], crops[start : start + batch_size]


def _unreadable(path: Path | str, error: Exception) -> StoreError:
    return StoreError(
        "cannot read this model",
        expected=f"a safetensors file of format {FORMAT}",
        found=str(error).splitlines()[0],
        where=str(path),
        hint="remove it and run the workflow again",
    )


def _in_words(crops: CropSettings) -> str:
    return f"{crops.size} px of {crops.pixel_um:g} µm, channels {', '.join(crops.channels)}"
