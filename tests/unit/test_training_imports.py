"""The training loop runs where only torch, numpy and safetensors are installed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
BLOCKED = [
    "pandas",
    "pyarrow",
    "zarr",
    "scipy",
    "skimage",
    "sklearn",
    "matplotlib",
    "yaml",
    "jsonschema",
    "tifffile",
    "imagecodecs",
    "torchvision",
    "numba",
    "llvmlite",
]

SCRIPT = """
import sys

class Blocker:
    # finds what the finder it stands in for finds, but the blocked packages are as if not installed

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        blocked = name.partition(".")[0] in BLOCKED
        return None if blocked else self.finder.find_spec(name, path, target)

sys.meta_path[:] = [Blocker(finder) for finder in sys.meta_path]
from pathlib import Path
import numpy as np
from exvivo.networks import recipe
from exvivo.training.crossfit import crossfit
from exvivo.training.inference import predict
from exvivo.training.phases import Run, train_phase1

images = np.random.default_rng(0).random((8, 2, 16, 16), dtype=np.float32)
labels, plates = [0, 1] * 4, ["P"] * 8
wells = [f"A{i + 1:02d}" for i in range(8)]
out, run = Path(sys.argv[1]), Run(device="cpu")
train_phase1(images, labels, plates, wells, recipe=recipe("small", "phase1", {"epochs": 1}), out=out, run=run)
assert predict(out, images, device="cpu").viability.shape == (8,)
found = crossfit(images, labels, plates, wells, recipe=recipe("small", "phase2", {"epochs": 1}), start=out, run=run)
assert found.viability.shape == (8,)
assert "torch._dynamo" not in sys.modules, "the compiler's modules cost a second per process"
print("trained")
"""


def test_training_needs_torch_numpy_and_safetensors_alone(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT.replace("BLOCKED", repr(BLOCKED)),
            tmp_path / "m.safetensors",
        ],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "trained\n"


def test_the_blocker_blocks(tmp_path):
    script = SCRIPT.replace("BLOCKED", repr([*BLOCKED, "safetensors"]))
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "m.safetensors"],
        env={**os.environ, "PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode != 0
    assert "No module named 'safetensors'" in done.stderr
