"""Training steps measured: ours against a plain eager loop, and against what the machine allows.

    python benchmarks/training.py [--rounds 30] [--threads 2] [--tried] [--out benchmarks/training.tsv]

The loops take turns in one process, step by step, so that other load on the machine falls on both; the table
has each loop's fastest and median step. Both do the same work: draw, warp, forward, backward, Adam; a test
(`tests/unit/test_training_engine.py`) holds their weights together. `--tried` adds what was tried on a CPU
and is not used: bfloat16 and torch.compile. On a GPU VGG19 is measured too, with the floor below which no
step can go: memory traffic of 40 bytes a parameter (forward 4, backward 4, gradient 4, Adam reads 16, writes 12)
at the speed of a large copy, or the arithmetic at the speed of a large TF32 product, whichever is longer.
Needs torch and numpy alone.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "scripts"))

from exvivo.files import write_text  # noqa: E402
from exvivo.networks import build, parameter_count, preprocessing, recipe  # noqa: E402
from exvivo.networks.preprocessing import WEIGHT_STYLES  # noqa: E402
from exvivo.training.devices import describe, prepare  # noqa: E402
from exvivo.training.engine import Engine, TrainingSet  # noqa: E402
from exvivo.training.plain import PlainLoop  # noqa: E402

COLUMNS = ("device", "network", "size", "batch", "loop", "fastest_ms", "median_ms", "ratio")
BYTES_PER_PARAMETER = 40
VGG19_FLOP = 118e9  # forward and backward of one 224² image
SCREEN_STEPS = 170_400  # phases II and III of one published screen: (48 + 804) × 200


def training_set(count: int, size: int, device: str) -> TrainingSet:
    """Made-up controls: noise, of which half is brighter."""
    generator = np.random.default_rng(0)
    images = generator.random((count, 2, size, size), dtype=np.float32)
    images[::2] *= 0.5
    return TrainingSet(
        torch.from_numpy(images).to(device), np.arange(count), np.eye(2)[np.arange(count) % 2]
    )


def loops(network: str, size: int, batch: int, device: str, tried: bool) -> dict[str, Callable]:
    """One step of each loop, by name; the plain one first."""
    settings = recipe(network, "phase2", {"batch_size": batch, "learning_rate": 1e-7})
    rule = preprocessing(WEIGHT_STYLES[network])
    data = training_set(8 * batch, size, device)
    key = {"phase": 2, "seed": 0}
    plain = PlainLoop(build(network, seed=0).to(device), data, settings, rule, **key)
    examples, parameters = np.arange(batch), np.tile([5.0, 1, 1, 1, 1, 0, 1, 1.1], (batch, 1))
    steps = {"plain": lambda: plain.step(examples, parameters)}
    names = ["ours"] + (["ours, eager"] if device == "cuda" else [])
    names += ["tried: bfloat16", "tried: torch.compile"] if tried else []
    for name in names:
        graph = device == "cuda" and name == "ours"
        model = build(network, seed=0).to(device)
        engine = Engine(model, data, settings, rule, graph=graph, **key)
        if name == "tried: bfloat16":
            engine.model = _autocast(engine.model)
        if name == "tried: torch.compile":
            engine.model = torch.compile(engine.model)
        engine._load_tables(1)
        steps[name] = _restarting(engine)
    return steps


def _autocast(model: torch.nn.Module) -> Callable:
    def forward(inputs: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", torch.bfloat16):
            return model(inputs)

    return forward


def _restarting(engine: Engine) -> Callable[[], None]:
    """One step of the engine, over and over the same epoch's tables."""

    def step() -> None:
        engine._cursor.remainder_(engine.steps)
        engine._run()

    return step


def measure(steps: dict[str, Callable], rounds: int, device: str) -> dict[str, list[float]]:
    """Milliseconds of each step, the loops taking turns; three rounds to warm up are not counted."""
    found: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 3):
        for name, step in steps.items():
            begin = time.perf_counter()
            step()
            if device == "cuda":
                torch.cuda.synchronize()
            if turn >= 3:
                found[name].append(1e3 * (time.perf_counter() - begin))
    return found


def rows(network: str, size: int, batch: int, device: str, rounds: int, tried: bool) -> list[dict]:
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
    traffic = BYTES_PER_PARAMETER * parameters / bandwidth
    arithmetic = VGG19_FLOP / (2 * side**3 / product)
    return {"traffic": traffic, "arithmetic": arithmetic, "floor": max(traffic, arithmetic)}


def _on_gpu(work: Callable[[], object]) -> float:
    """Milliseconds on the device."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    work()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def gpu_rows(rounds: int) -> list[dict]:
    """VGG19 and lite0 on the GPU, with the floor; said to be not measured where there is none."""
    blank = dict.fromkeys(COLUMNS, "") | {
        "device": "cuda",
        "network": "vgg19",
        "size": 224,
        "batch": 1,
    }
    if not torch.cuda.is_available():
        missing = {
            "fastest_ms": "not measured",
            "median_ms": "not measured",
            "ratio": "not measured",
        }
        return [blank | {"loop": name} | missing for name in ("floor", "plain", "ours")]
    prepare(torch.device("cuda"))
    limits = floor()
    found = [blank | {"loop": name, "fastest_ms": f"{value:.2f}"} for name, value in limits.items()]
    for network in ("vgg19", "efficientnet_lite0"):
        found += rows(network, 224, 1, "cuda", rounds, tried=False)
    return found


def write(found: list[dict], lines: list[str], out: Path) -> None:
    """The table as TSV and, with what it was measured on, as Markdown."""
    table = ["\t".join(COLUMNS)] + ["\t".join(str(row[c]) for c in COLUMNS) for row in found]
    write_text(out, "\n".join(table) + "\n")
    page = ["# Training steps", "", "`python benchmarks/training.py`", "", *lines, ""]
    page += ["| " + " | ".join(COLUMNS) + " |", "|" + "---|" * len(COLUMNS)]
    page += ["| " + " | ".join(str(row[c]) for c in COLUMNS) + " |" for row in found]
    write_text(out.with_suffix(".md"), "\n".join(page) + "\n")


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tried", action="store_true", help="also what was tried and is not used")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "training.tsv")
    arguments = parser.parse_args()
    cpu, load = torch.device("cpu"), os.getloadavg()[0]
    prepare(cpu, arguments.threads)
    found = []
    for size, batch in ((224, 1), (224, 4), (128, 8)):
        tried = arguments.tried and batch == 1
        found += rows("efficientnet_lite0", size, batch, "cpu", arguments.rounds, tried)
    found += gpu_rows(arguments.rounds)
    lines = [
        f"- {describe(cpu)}; load of other work {load:.1f} at the start",
        f"- {describe(torch.device('cuda'))}" if torch.cuda.is_available() else "- no GPU",
        f"- a published screen (phases II and III) has {SCREEN_STEPS:,} steps of VGG19",
        "- ratio: median of the plain loop over the row's median, in one run, taking turns",
    ]
    write(found, lines, arguments.out)
    print(arguments.out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
