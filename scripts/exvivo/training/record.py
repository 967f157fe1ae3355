"""What a model's sidecar says about how it came about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import exvivo
from exvivo.files import digest_bytes, digest_file
from exvivo.networks import Preprocessing, Recipe
from exvivo.training import bottleneck, kernels, processor
from exvivo.training.data import PhaseData
from exvivo.training.devices import describe, half_precision
from exvivo.training.sources import code_digest


def run_inputs(
    data: PhaseData, recipe: Recipe, start: Path | None, seed: int, device: torch.device
) -> dict[str, Any]:
    """Everything that decides a run's result, as plain values."""
    compiled = bottleneck.used_for(recipe.network, device)
    return {
        "phase": data.phase,
        "recipe": recipe.to_json(),
        "data": data.digest(),
        "seed": seed,
        "start": None if start is None else digest_file(start),
        "code": code_digest(),
        "torch": torch.__version__,
        "device": describe(device),
        "kernels": kernels.available(device) or compiled,
        "compiler": processor.compiler() if compiled else None,
        "bfloat16": half_precision(recipe.precision, device) is not None,
    }


def run_digest(inputs: dict[str, Any]) -> str:
    """One digest of `run_inputs`: checkpoints of a run with another one are not gone on from."""
    return digest_bytes(json.dumps(inputs, sort_keys=True, allow_nan=False).encode())


def run_record(inputs: dict[str, Any], data: PhaseData, rule: Preprocessing) -> dict[str, Any]:
    """The sidecar's content before training."""
    return {
        "exvivo": exvivo.__version__,
        "run": run_digest(inputs),
        **inputs,
        "preprocessing": rule.to_json(),
        "counts": {"train": len(data.train), "validation": len(data.validation)},
        "split": data.split(),
        "left_out": [list(item) for item in data.left_out],
    }
