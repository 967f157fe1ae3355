"""What bfloat16 in VGG19's convolutions costs: a simulated screen trained in each precision, from several seeds.

    python benchmarks/precision.py pack FOLDER SCREEN.npz      # on any machine: images and truth of a finished demo
    python benchmarks/precision.py train SCREEN.npz [--out benchmarks/precision.tsv]      # on a GPU

FOLDER is a simulated demo that was run to the end (`make demo`). VGG19 starts from random weights (He et al.'s for the
convolutions) and trains on the controls of all its plates, 60 epochs at 2e-5 falling along a cosine; the drug wells
are then read and compared with the truth. `fp32` computes without TF32. Training needs torch, triton, numpy and safetensors alone.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from exvivo.files import write_text  # noqa: E402
from exvivo.networks import build, preprocessing, recipe  # noqa: E402
from exvivo.networks.preprocessing import WEIGHT_STYLES  # noqa: E402
from exvivo.training.devices import describe, prepare  # noqa: E402
from exvivo.training.engine import Engine, TrainingSet, forward  # noqa: E402

NETWORK, EPOCHS, RATE = "vgg19", 60, 2e-5
COLUMNS = ("seed", "precision", "seconds", "loss", "spearman", "rmse", "rms_to_tf32")


def pack(folder: Path, out: Path) -> None:
    """Images, roles and true viability of all wells of a finished demo, as one compressed file."""
    import pandas as pd

    from exvivo.wells import read_wells

    truth = pd.read_csv(folder / "truth" / "wells.tsv", sep="\t").set_index(["plate", "well"])
    images, rows = [], []
    for store in sorted(folder.glob("results/plates/*/wells.zarr")):
        found = read_wells(store)
        for image, well in zip(found.images, found.wells, strict=True):
            if (store.parent.name, well) in truth.index:
                rows.append(truth.loc[(store.parent.name, well), ["role", "viability"]])
                images.append(image)
    stack = np.stack(images)
    scale = float(np.quantile(stack, 0.9999))
    levels = np.clip(stack / scale * 4095, 0, 4095).round().astype(np.uint16)
    roles = np.array([row["role"] for row in rows], dtype=str)
    viability = np.array([row["viability"] for row in rows], dtype=float)
    np.savez_compressed(out, images=levels, role=roles, viability=viability)


def start(seed: int) -> torch.nn.Module:
    """VGG19 with weights that can be trained from nothing."""
    model = build(NETWORK, seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                torch.nn.init.zeros_(module.bias)
    return model


def train(path: Path, seeds: int, epochs: int, device: torch.device) -> list[dict]:
    """A row for each seed and precision."""
    with np.load(path) as content:
        images, role, truth = (
            content["images"].astype(np.float32),
            content["role"],
            content["viability"],
        )
    labels = np.where(role == "negative_control", 1, np.where(role == "positive_control", 0, -1))
    controls, drugs = np.flatnonzero(labels >= 0), np.flatnonzero(role == "treatment")
    images /= np.quantile(images[labels == 1], 0.999)
    tensor, targets = torch.from_numpy(images).to(device), np.eye(2)[labels[controls]]
    rule = preprocessing(WEIGHT_STYLES[NETWORK])
    found = []
    for seed in range(seeds):
        first: np.ndarray | None = None
        for name in ("tf32", "bfloat16", "fp32"):
            exact = name == "fp32"
            torch.set_float32_matmul_precision("highest" if exact else "high")
            torch.backends.cudnn.allow_tf32 = not exact
            settings = recipe(
                NETWORK, "phase2",
                {"learning_rate": RATE, "epochs": epochs, "schedule": "cosine", "precision": "tf32" if exact else name},
            )  # fmt: skip
            model, begin = start(seed).to(device), time.perf_counter()
            engine = Engine(
                model, TrainingSet(tensor, controls, targets), settings, rule, phase=2, seed=seed
            )
            for epoch in range(1, epochs + 1):
                logits, examples = engine.train_epoch(epoch)
            seconds = time.perf_counter() - begin
            smoothed = 0.6 * targets[examples] + 0.2
            loss = (
                -(smoothed * torch.from_numpy(logits).double().log_softmax(1).numpy()).sum(1).mean()
            )
            torch.set_float32_matmul_precision("high")
            torch.backends.cudnn.allow_tf32 = True
            read = (
                forward(model, tensor[drugs], rule, batch_size=8)[0]
                .double()
                .softmax(1)[:, 1]
                .numpy()
            )
            first = read if first is None else first
            wanted = 0.2 + 0.6 * truth[drugs]
            values = (
                seed, name, f"{seconds:.1f}", f"{loss:.4f}", f"{_spearman(read, wanted):.3f}",
                f"{_rms(read, wanted):.3f}", f"{_rms(read, first):.3f}",
            )  # fmt: skip
            found.append(dict(zip(COLUMNS, map(str, values), strict=True)))
            print(found[-1], flush=True)
    return found


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


def _rms(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.sqrt(np.mean((one - other) ** 2)))


def main() -> None:
    """Pack, or train and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = parser.add_subparsers(dest="part", required=True)
    packing = parts.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("out", type=Path)
    training = parts.add_parser("train")
    training.add_argument("screen", type=Path)
    training.add_argument("--seeds", type=int, default=3)
    training.add_argument("--epochs", type=int, default=EPOCHS)
    training.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    training.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "precision.tsv")
    options = parser.parse_args()
    if options.part == "pack":
        pack(options.folder, options.out)
        return
    device = torch.device(options.device)
    prepare(device)
    print(describe(device))
    rows = train(options.screen, options.seeds, options.epochs, device)
    lines = ["\t".join(COLUMNS)] + ["\t".join(row[name] for name in COLUMNS) for row in rows]
    write_text(options.out, "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
