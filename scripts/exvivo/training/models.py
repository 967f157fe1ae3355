"""Model files: safetensors with a JSON sidecar and a history table beside it. Nothing is unpickled.

`phase2.safetensors` holds the weights and, as metadata, what is needed to use them: network and
pre-processing. `phase2.json` says how they came about; `phase2_history.tsv` has loss, accuracy and AUROC
per epoch. A phase that was skipped leaves the same files, without weights and with its reason.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import nn

from exvivo.errors import StoreError, TrainingError
from exvivo.files import digest_file, replacing, write_json
from exvivo.networks import Preprocessing, build
from exvivo.networks.tensorfiles import save_tensors, unpack
from exvivo.networks.weights import FORMAT as IMAGENET_FORMAT

FORMAT = "exvivo model 1"
HISTORY_COLUMNS = ("epoch", "split", "images", "loss", "accuracy", "auroc")


@dataclass(frozen=True)
class Model:
    """A trained network and what its input must look like."""

    module: nn.Module
    network: str
    phase: int
    preprocessing: Preprocessing
    input_size: int | None


def sidecar_path(path: Path | str) -> Path:
    """`phase2.json` of `phase2.safetensors`."""
    return Path(path).with_suffix(".json")


def history_path(path: Path | str) -> Path:
    """`phase2_history.tsv` of `phase2.safetensors`."""
    path = Path(path)
    return path.with_name(f"{path.stem}_history.tsv")


def save_model(
    path: Path | str, model: Model, sidecar: dict[str, Any], history: Sequence[dict[str, Any]]
) -> None:
    """Write weights, history and, last, the sidecar with the weights' SHA-256."""
    metadata = {
        "format": FORMAT,
        "network": model.network,
        "phase": str(model.phase),
        "preprocessing": json.dumps(model.preprocessing.to_json()),
        "input_size": json.dumps(model.input_size),
    }
    weights = {k: t.detach().cpu() for k, t in model.module.state_dict().items()}
    write_files(path, weights, metadata, sidecar, history)


def save_skipped(path: Path | str, reason: str) -> None:
    """Write the files of a model that could not be trained: no weights, and why."""
    write_files(path, {}, {"format": FORMAT, "skipped": reason}, {"skipped": reason}, ())


def skipped_reason(path: Path | str) -> str | None:
    """Why the model at `path` was not trained, or None if it was."""
    return read_metadata(path).get("skipped")


def load_model(path: Path | str, device: torch.device | str = "cpu") -> Model:
    """Read a model for use or as the start of the next phase.

    Raises:
        StoreError: missing, damaged, or not a model of exvivo.
        TrainingError: the model was skipped; the message has the reason.

    """
    path = Path(path)
    metadata = read_metadata(path)
    if "skipped" in metadata:
        raise TrainingError(
            "this model was not trained",
            expected="weights",
            found=metadata["skipped"],
            where=str(path),
            hint="mend the reason and run the workflow again",
        )
    if metadata["format"] != FORMAT:
        raise StoreError(
            "these are ImageNet weights, not a trained model",
            expected=FORMAT,
            found=metadata["format"],
            where=str(path),
            hint="train a phase from them first",
        )
    module = build(metadata["network"], seed=0)
    try:
        module.load_state_dict(load_file(path))
    except (RuntimeError, SafetensorError) as error:
        raise StoreError(
            "the weights do not fit the network they name",
            expected=f"the parameters of {metadata['network']}",
            found=str(error).splitlines()[0],
            where=str(path),
            hint="remove it and run the workflow again",
        ) from error
    return Model(
        module.to(device),
        metadata["network"],
        int(metadata["phase"]),
        Preprocessing.from_json(json.loads(metadata["preprocessing"])),
        json.loads(metadata["input_size"]),
    )


def read_history(path: Path | str) -> list[dict[str, Any]]:
    """History rows of a model: epoch, split, images, loss, accuracy, auroc (None where undefined)."""
    with history_path(path).open(encoding="utf-8", newline="") as handle:
        return [
            {
                "epoch": int(row["epoch"]),
                "split": row["split"],
                "images": int(row["images"]),
                **{
                    name: float(row[name]) if row[name] else None
                    for name in ("loss", "accuracy", "auroc")
                },
            }
            for row in csv.DictReader(handle, delimiter="\t")
        ]


def write_files(
    path: Path | str,
    weights: dict[str, torch.Tensor],
    metadata: dict[str, str],
    sidecar: dict[str, Any],
    history: Sequence[dict[str, Any]],
) -> None:
    """Write the three files of a model; the sidecar comes last and has the weights' SHA-256."""
    path = Path(path)
    sidecar_path(path).unlink(missing_ok=True)  # the sidecar says that the rest is whole
    save_tensors(path, weights, metadata)
    with (
        replacing(history_path(path)) as partial,
        partial.open("w", encoding="utf-8", newline="") as handle,
    ):
        writer = csv.DictWriter(handle, HISTORY_COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
    write_json(sidecar_path(path), {**sidecar, "sha256": digest_file(path)})


def read_metadata(path: Path | str) -> dict[str, str]:
    """Metadata of a model or of a start file with ImageNet weights.

    Raises:
        StoreError: missing, damaged, or neither of the two.

    """
    try:
        with safe_open(path, framework="pt") as handle:
            metadata = unpack(handle.metadata())
    except (OSError, ValueError, SafetensorError) as error:
        raise StoreError(
            "cannot read this model",
            expected="a safetensors file written by exvivo",
            found=str(error),
            where=str(path),
            hint="remove it and run the workflow again",
        ) from error
    if metadata.get("format") not in (FORMAT, IMAGENET_FORMAT):
        raise StoreError(
            "not a model of this version of exvivo",
            expected=FORMAT,
            found=metadata.get("format", "no format"),
            where=str(path),
            hint="give the path of a model that exvivo trained",
        )
    return metadata
