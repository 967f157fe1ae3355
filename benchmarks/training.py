"""Training steps measured: ours against a plain eager loop, and against what the machine allows.

    python benchmarks/training.py [--rounds 10] [--threads 2] [--tried] [--out benchmarks/training.tsv]
    python benchmarks/training.py --gpu [--phases 2 3] [--out benchmarks/training_gpu.tsv]

The loops take turns in one process, a few steps each, so that other load on the machine falls on both; the table
has the fastest and the median step. All do the same work: draw, warp, forward, backward, Adam; a test
(`tests/unit/test_training_engine.py`) holds their weights together. `--tried` adds what was tried on a CPU
and is not used: bfloat16 and torch.compile. On a GPU the floor stands beside VGG19, below which no
step can go: memory traffic of 40 bytes a parameter (forward 4, backward 4, gradient 8, Adam reads 12, writes 12)
at the speed of a large copy, or the arithmetic at the speed of a large TF32 product, whichever is longer.
`--phases` then trains whole phases of a screen of the published size, from images to the written model, checkpoints included.
Needs torch, numpy and safetensors alone (on a GPU triton too, which comes with torch; on a CPU numba, compiled before the
first round).
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from exvivo.files import write_text  # noqa: E402
from exvivo.networks import (  # noqa: E402
    Preprocessing,
    Recipe,
    build,
    parameter_count,
    preprocessing,
    recipe,
)
from exvivo.networks.preprocessing import WEIGHT_STYLES  # noqa: E402
from exvivo.training import phases  # noqa: E402
from exvivo.training.augmentation import draw  # noqa: E402
from exvivo.training.devices import describe, prepare  # noqa: E402
from exvivo.training.engine import TOGETHER, Engine, TrainingSet  # noqa: E402
from exvivo.training.plain import PlainLoop  # noqa: E402

COLUMNS = (
    "device",
    "network",
    "size",
    "batch",
    "loop",
    "fastest_ms",
    "median_ms",
    "ratio",
    "of_floor",
)
PHASE_COLUMNS = ("phase", "images", "epochs", "steps", "seconds", "ms_per_step")
BYTES_PER_PARAMETER = 40
VGG19_FLOP = 118e9  # forward and backward of one 224² image
# Wells of a published screen: negative and positive controls, of which some are held out, and drug wells.
WELLS = {1: (98, 112, 0), 2: (30, 24, 0), 3: (30, 24, 750)}


def training_set(count: int, size: int, device: str) -> TrainingSet:
    """Made-up controls: noise, of which half is brighter."""
    generator = np.random.default_rng(0)
    images = generator.random((count, 2, size, size), dtype=np.float32)
    images[::2] *= 0.5
    return TrainingSet(
        torch.from_numpy(images).to(device), np.arange(count), np.eye(2)[np.arange(count) % 2]
    )


def loops(network: str, size: int, batch: int, device: str, tried: bool) -> dict[str, Callable]:
    """`TOGETHER` steps of each loop, by name; the plain one first."""
    settings = recipe(network, "phase2", {"batch_size": batch, "learning_rate": 1e-7})
    rule = preprocessing(WEIGHT_STYLES[network])
    data = training_set(TOGETHER * batch, size, device)
    key = {"phase": 2, "seed": 0}
    plain = PlainLoop(build(network, seed=0).to(device), data, settings, rule, **key)
    order, parameters = draw(0, 2, 1, TOGETHER * batch, size)

    def plain_steps() -> None:
        for start in range(0, TOGETHER * batch, batch):
            part = slice(start, start + batch)
            plain.step(order[part], parameters[part])

    steps = {"plain": plain_steps}
    for name in ["ours"] + (["ours, tf32", "ours, eager"] if device == "cuda" else []):
        if name == "ours, tf32" and not network.startswith("vgg"):
            continue  # the precision is that of VGG's convolutions
        used = replace(settings, precision="tf32") if "tf32" in name else settings
        steps[name] = _engine_steps(
            build(network, seed=0).to(device), data, used, rule, "eager" not in name
        )
    if tried:
        for name, change in (("bfloat16", _autocast), ("torch.compile", torch.compile)):
            model = build(network, seed=0).to(device)
            steps[f"tried: {name}"] = _engine_steps(model, data, settings, rule, False, change)
    return steps


def _engine_steps(
    model: torch.nn.Module, data: TrainingSet, settings: Recipe, rule: Preprocessing, graph: bool,
    change: Callable | None = None,
) -> Callable[[], object]:  # fmt: skip
    """Steps of an engine, over and over one epoch's tables."""
    graph = graph and data.images.is_cuda
    engine = Engine(model, data, settings, rule, phase=2, seed=0, graph=graph)
    if change is not None:
        engine.release()  # the change is to reach every layer
        engine.model = change(engine.model)
    engine._load_tables(1)

    def steps() -> None:
        engine._cursor.zero_()
        engine._run(TOGETHER)

    return steps


def _autocast(model: torch.nn.Module) -> Callable:
    def forward(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(inputs)

    return forward


def measure(steps: dict[str, Callable], rounds: int, device: str) -> dict[str, list[float]]:
    """Milliseconds a step, the loops taking turns; two rounds to warm up are not counted."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 2):
        for name, some in steps.items():
            begin = time.perf_counter()
            some()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= 2:
                found[name].append(1e3 * (time.perf_counter() - begin) / TOGETHER)
    return found


def rows(
    network: str, size: int, batch: int, device: str, rounds: int, tried: bool = False, floor: float = 0
) -> list[dict]:  # fmt: skip
    """Table rows of one setting; `ratio` is the plain loop's median over the row's."""
    times = measure(loops(network, size, batch, device, tried), rounds, device)
    plain = statistics.median(times["plain"])
    return [
        {
            "device": device,
            "network": network,
            "size": size,
            "batch": batch,
            "loop": name,
            "fastest_ms": f"{min(values):.2f}",
            "median_ms": f"{statistics.median(values):.2f}",
            "ratio": f"{plain / statistics.median(values):.2f}",
            "of_floor": f"{statistics.median(values) / floor:.2f}" if floor else "",
        }
        for name, values in times.items()
    ]


def floor() -> dict[str, float]:
    """What the GPU allows for a VGG19 step: milliseconds of traffic and of arithmetic."""
    source = torch.empty(2**29, dtype=torch.float32, device="cuda")
    target, side = torch.empty_like(source), 8192
    factor = torch.randn(side, side, device="cuda")
    copy = min(_on_gpu(lambda: target.copy_(source)) for _ in range(10))
    product = min(_on_gpu(lambda: factor @ factor) for _ in range(10))
    bandwidth = 2 * 4 * source.numel() / copy
    with torch.device("meta"):
        parameters = parameter_count(build("vgg19", seed=0))
        dense = parameter_count(build("vgg19", seed=0).classifier)
    traffic = BYTES_PER_PARAMETER * parameters / bandwidth
    arithmetic = VGG19_FLOP / (2 * side**3 / product)
    return {
        "traffic": traffic,
        "traffic without dense gradients": traffic - 8 * dense / bandwidth,
        "arithmetic": arithmetic,
        "floor": max(traffic, arithmetic),
    }


def _on_gpu(work: Callable[[], object]) -> float:
    """Milliseconds on the device."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def gpu_rows(rounds: int) -> list[dict]:
    """VGG19 with its floor, and the other networks, on the GPU."""
    limits = floor()
    blank = dict.fromkeys(COLUMNS, "") | {
        "device": "cuda",
        "network": "vgg19",
        "size": 224,
        "batch": 1,
    }
    found = [blank | {"loop": name, "fastest_ms": f"{value:.2f}"} for name, value in limits.items()]
    found += rows("vgg19", 224, 1, "cuda", rounds, floor=limits["floor"])
    for network, batch in (("efficientnet_lite0", 1), ("efficientnet_lite0", 4)):
        found += rows(network, 224, batch, "cuda", rounds)
    return found


def train_phases(names: list[int], folder: Path) -> list[dict]:
    """Rows of whole phases of a screen of the published size: set-up, epochs, checkpoints and the written model."""
    found, generator = [], np.random.default_rng(0)
    for phase in names:
        negative, positive, drugs = WELLS[phase]
        labels = [1] * negative + [0] * positive + [None] * drugs
        count = len(labels)
        images = generator.random((count, 2, 224, 224), dtype=np.float32)
        images[negative : negative + positive] *= 0.5
        # controls spread over three plates of phases II and III; wells in the order of the layout
        plates = [f"P{i % (1 if phase == 1 else 3) + 1}" for i in range(count)]
        wells = [f"{'ABCDEFGHIJKLMNOP'[i // 24 % 16]}{i % 24 + 1:02d}" for i in range(count)]
        settings = recipe("vgg19", f"phase{phase}")
        before = folder / f"phase{phase - 1}.safetensors"
        how = {
            "recipe": settings,
            "out": folder / f"phase{phase}.safetensors",
            "start": before if before.is_file() else None,
            "checkpoints": folder / f"phase{phase}.checkpoints",
            "run": phases.Run(device="cuda", gpu_requested=True),
        }
        begin = time.perf_counter()
        if phase < 3:
            train = phases.train_phase1 if phase == 1 else phases.train_phase2
            record = train(images, labels, plates, wells, **how)
        else:
            pairs = [None if label is not None else i // 2 for i, label in enumerate(labels)]
            viability = generator.uniform(0.2, 0.8, count)
            record = phases.train_phase3(images, labels, pairs, viability, plates, wells, **how)
        seconds = time.perf_counter() - begin
        steps = record["counts"]["train"] * settings.epochs
        values = (phase, record["counts"]["train"], settings.epochs, steps, f"{seconds:.1f}", f"{1e3 * seconds / steps:.2f}")  # fmt: skip
        found.append(dict(zip(PHASE_COLUMNS, values, strict=True)))
        print(found[-1], flush=True)
    return found


def write(
    found: list[dict], trained: list[dict], lines: list[str], command: str, out: Path
) -> None:
    """The table as TSV and, with what it was measured on, as Markdown."""
    table = ["\t".join(COLUMNS)] + ["\t".join(str(row[c]) for c in COLUMNS) for row in found]
    write_text(out, "\n".join(table) + "\n")
    page = ["# Training steps", "", f"`{command}`", "", *lines, "", *_markdown(COLUMNS, found)]
    if trained:
        ran = {row["phase"] for row in trained}
        missing = [
            {"phase": n, **dict.fromkeys(PHASE_COLUMNS[1:], "not measured")}
            for n in WELLS
            if n not in ran
        ]
        trained = sorted([*missing, *trained], key=lambda row: row["phase"])
        title = "## Whole phases of a screen of the published size, VGG19"
        page += ["", title, "", *_markdown(PHASE_COLUMNS, trained)]
    write_text(out.with_suffix(".md"), "\n".join(page) + "\n")


def _markdown(columns: tuple[str, ...], found: list[dict]) -> list[str]:
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    return head + ["| " + " | ".join(str(row[c]) for c in columns) + " |" for row in found]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tried", action="store_true", help="also what was tried and is not used")
    parser.add_argument("--gpu", action="store_true", help="measure on a GPU instead")
    parser.add_argument(
        "--phases", type=int, nargs="+", default=[], help="phases to train whole, with --gpu"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device, load = torch.device("cuda" if options.gpu else "cpu"), os.getloadavg()[0]
    prepare(device, options.threads)
    lines = ["- ratio: median of the plain loop over the row's median, in one run, taking turns"]
    trained: list[dict] = []
    if options.gpu:
        found = gpu_rows(options.rounds)
        lines += [
            "- traffic: 40 bytes a parameter at the speed of a large copy; without dense gradients: ours needs 32 for dense layers;",
            "  arithmetic: 118 GFLOP at the speed of a large TF32 product; floor: the longest of traffic and arithmetic",
        ]
    else:
        found = []
        for size, batch in ((224, 1), (224, 4), (128, 8)):
            tried = options.tried and batch == 1
            found += rows("efficientnet_lite0", size, batch, "cpu", options.rounds, tried)
    lines = [f"- {describe(device)}; load of other work {load:.1f} at the start", *lines]
    command = f"python benchmarks/training.py --rounds {options.rounds}"
    command += " --tried" if options.tried else ""
    command += " --gpu" if options.gpu else ""
    out = options.out or REPOSITORY / "benchmarks" / f"training{'_gpu' if options.gpu else ''}.tsv"
    write(found, trained, lines, command, out)
    if options.gpu and options.phases:
        command += " --phases " + " ".join(map(str, options.phases))
        with tempfile.TemporaryDirectory() as folder:
            trained = train_phases(options.phases, Path(folder))
        write(found, trained, lines, command, out)
    print(out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
