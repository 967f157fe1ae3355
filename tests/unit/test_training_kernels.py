"""GPU kernels against plain PyTorch: on a GPU where there is one, else by Triton's interpreter."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when the kernels' module is first imported

pytest.importorskip("triton", reason="Triton is made for Linux alone")

from exvivo.networks import preprocessing, recipe  # noqa: E402
from exvivo.networks.layers import ConvReLU, glorot_linear  # noqa: E402
from exvivo.training import kernels  # noqa: E402
from exvivo.training.engine import Engine, TrainingSet  # noqa: E402
from exvivo.training.plain import PlainLoop  # noqa: E402
from exvivo.training.updates import Updates  # noqa: E402

CONSTANTS = {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-7}
RATE = 1e-2


def random(*shape, dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed + sum(shape))
    tensor = torch.randn(*shape, generator=generator).to(DEVICE, dtype)
    return tensor.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else tensor


def expected(weight, mean, square, gradient):
    """The formula in double precision."""
    weight, mean, square, gradient = (t.double() for t in (weight, mean, square, gradient))
    mean = 0.9 * mean + 0.1 * gradient
    square = 0.999 * square + 0.001 * gradient**2
    return weight - RATE * mean / (square.sqrt() + 1e-7), mean, square


def state(*shape):
    return random(*shape, seed=1), 0.1 * random(*shape, seed=2), random(*shape, seed=3).square()


def close(found, wanted):
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "outputs", "inputs"), [(1, 5, 1500), (3, 4, 1024), (8, 7, 33), (1, 1, 1)]
)
def test_outer_adam(images, outputs, inputs):
    found = state(outputs, inputs)
    slopes, values = random(images, outputs), random(images, inputs)
    wanted = expected(*found, slopes.t().double() @ values.double())
    kernels.outer_adam(*found, slopes, values, torch.tensor(RATE, device=DEVICE), **CONSTANTS)
    close(found, wanted)


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_adam_and_its_copy_in_another_precision(precision):
    found, gradient = state(9, 14, 3, 3), random(9, 14, 3, 3, dtype=precision)
    follows = torch.full_like(found[0], torch.nan, dtype=precision)
    wanted = expected(*found, gradient)
    kernels.adam(*found, gradient, torch.tensor(RATE, device=DEVICE), follows, **CONSTANTS)
    close(found, wanted)
    # a GPU rounds to the nearest, the interpreter towards zero: one step of bfloat16 at most
    torch.testing.assert_close(
        follows.float(), found[0], rtol=2**-7 if precision == torch.bfloat16 else 0, atol=0
    )
    again = [t.clone() for t in found]
    kernels.adam(*again, gradient, torch.tensor(RATE, device=DEVICE), **CONSTANTS)
    close(again, expected(*found, gradient))


@pytest.mark.parametrize("parts", [1, 128, 300])
def test_bias_adam_adds_up_partial_sums(parts):
    found, sums = state(70), random(parts, 70)
    follows = torch.full_like(found[0], torch.nan)
    wanted = expected(*found, sums.double().sum(0))
    kernels.bias_adam(*found, sums, torch.tensor(RATE, device=DEVICE), follows, **CONSTANTS)
    close(found, wanted)
    assert torch.equal(follows, found[0])


SHAPES = [(2, 5, 8, 6), (1, 64, 16, 16), (1, 130, 4, 4), (1, 3, 90, 110)]


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_relu_backward(shape, precision):
    output, gradient = (
        F.relu(random(*shape, dtype=precision)),
        random(*shape, dtype=precision, seed=9),
    )
    found, sums = kernels.relu_backward(gradient, output)
    wanted = gradient * (output > 0)
    assert torch.equal(found, wanted)
    assert found.is_contiguous(memory_format=torch.channels_last)
    close([sums.sum(0)], [wanted.double().sum((0, 2, 3))])


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", SHAPES)
def test_pooling_and_its_backward_pass(shape, precision):
    output = F.relu(random(*shape, dtype=precision))
    output[0, 0, :2, :2] = 1.0  # of equal pixels the first takes the gradient
    pooled, places = F.max_pool2d(output.float(), 2, return_indices=True)
    assert torch.equal(kernels.pool(output).float(), pooled)
    gradient = random(*pooled.shape, dtype=precision, seed=9)
    wanted = torch.ops.aten.max_pool2d_with_indices_backward(
        gradient.float(), output.float(), [2, 2], [2, 2], [0, 0], [1, 1], False, places
    ) * (output > 0)
    found, sums = kernels.pool_relu_backward(gradient, output)
    assert torch.equal(found.float(), wanted)
    close([sums.sum(0)], [wanted.double().sum((0, 2, 3))])


class Net(nn.Module):
    """What VGG is made of, in small; the last pooling meets an odd number of pixels."""

    n_features = 8

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            ConvReLU(3, 5, 3, padding=1, pool=True),
            ConvReLU(5, 6, 3, padding=1),
            ConvReLU(6, 7, 3, pool=True),
            ConvReLU(7, 8, 3, padding=1, pool=True),
        )
        self.dense, self.head = glorot_linear(8, 8), glorot_linear(8, 2)

    def forward(self, input):
        return self.head(self.dense(self.features(input).flatten(1)).relu())


def trained(base, kind, batch, half=None):
    """Logits, and the parameters' change, after two epochs."""
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    labels = np.arange(10) % 2
    images = generator.random((10, 2, 16, 16), dtype=np.float32)
    images *= (0.5 + 0.5 * labels)[:, None, None, None].astype(np.float32)
    data = TrainingSet(torch.from_numpy(images).to(DEVICE), np.arange(10), np.eye(2)[labels])
    settings = recipe("small", "phase2", {"batch_size": batch, "precision": "tf32"})
    model = copy.deepcopy(base)
    loop = kind(model, data, settings, preprocessing("plain"), phase=2, seed=0)
    if kind is Engine:
        loop.optimizer.kernels = True
        loop.updates = Updates(model, loop.optimizer, half)
    logits = [loop.train_epoch(epoch) for epoch in (1, 2)]
    logits = np.concatenate([found[0] if kind is Engine else found for found in logits])
    change = [
        p.detach() - q.detach() for p, q in zip(model.parameters(), base.parameters(), strict=True)
    ]
    return logits, torch.cat([part.flatten() for part in change])


@pytest.mark.parametrize("batch", [1, 4, 10])
def test_training_with_the_kernels_equals_the_plain_loop(batch):
    assert batch in (1, 4) or batch > kernels.MOST_IMAGES
    torch.manual_seed(1)
    base = Net().to(DEVICE)
    logits, change = trained(base, Engine, batch)
    wanted, moved = trained(base, PlainLoop, batch)
    np.testing.assert_allclose(logits, wanted, atol=2e-4)
    torch.testing.assert_close(change, moved, rtol=0, atol=2e-5)
    assert moved.abs().max() > 1e-3


def test_bfloat16_differs_by_its_rounding_and_no_more():
    torch.manual_seed(1)
    base = Net().to(DEVICE)
    logits, change = trained(base, Engine, 1, torch.bfloat16)
    wanted, moved = trained(base, PlainLoop, 1)
    assert 1e-6 < np.abs(logits - wanted).max() < 0.1
    assert torch.corrcoef(torch.stack([change, moved]))[0, 1] > 0.9


COMPILE = """
import sys
sys.path.insert(0, sys.argv[1])
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from exvivo.training import devicecode

NUMBERS = ("beta1", "beta2", "epsilon")
WHOLE = ("outputs", "inputs", "count", "channels", "pixels", "width")
SIZES = {
    "outer_adam": {"IMAGES": 1, "ROWS": 2, "COLUMNS": 512},
    "adam": {"COPY": True, "BLOCK": 1024},
    "bias_adam": {"COPY": False, "PARTS": 784, "AT_ONCE": 128, "CHANNELS": 16},
    "relu_backward": {"PIXELS": 32, "CHANNELS": 64, "TIMES": 2},
    "pool": {"PIXELS": 16, "CHANNELS": 64},
    "pool_relu_backward": {"PIXELS": 16, "CHANNELS": 64, "TIMES": 1},
}
IMAGES = ("gradient", "output", "found", "small")
HALF = dict.fromkeys(("relu_backward", "pool", "pool_relu_backward"), IMAGES)
HALF |= {"adam": ("gradient", "copy"), "bias_adam": ("copy",), "outer_adam": ()}
for name, sizes in SIZES.items():
    kernel = getattr(devicecode, name)
    for half in (False, True):
        types, sixteens = {}, {}
        for place, argument in enumerate(kernel.arg_names):
            if argument in sizes:
                types[argument] = "constexpr"
                continue
            pointer = "*bf16" if half and argument in HALF[name] else "*fp32"
            types[argument] = "fp32" if argument in NUMBERS else "i32" if argument in WHOLE else pointer
            if argument not in NUMBERS:
                sixteens[(place,)] = [["tt.divisibility", 16]]
        source = ASTSource(kernel, types, sizes, attrs=sixteens)
        for capability in (80, 90):
            found = triton.compile(source, target=GPUTarget("cuda", capability, 32), options={"num_warps": 4})
            wide = (".v4.b32", ".v2.b32") if half else (".v4.b32",)
            assert any(width in found.asm["ptx"] for width in wide), f"{name}: narrow accesses"
            assert ".local" not in found.asm["ptx"], f"{name}: spills registers"
            assert len(found.asm["cubin"]) > 1000
print("compiled", len(SIZES))
"""


def test_kernels_compile_for_gpus_that_are_not_here(tmp_path):
    """Ampere and Hopper, with the assembler that Triton brings; wide accesses and no spilled registers."""
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    environment = os.environ | {"TRITON_CACHE_DIR": str(tmp_path)}
    environment.pop("TRITON_INTERPRET", None)
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, str(scripts)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    assert done.stdout == "compiled 6\n", done.stderr[-2000:]


def test_a_triton_that_does_not_start_is_done_without(monkeypatch, caplog):
    """Such as on a node without a C compiler, which it calls at its first launch."""

    def failing(*passed, **constants):
        raise RuntimeError("Failed to find C compiler")

    asked = kernels.available.__wrapped__
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    monkeypatch.setattr(kernels, "adam", failing)
    made = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *size, device: made(*size))
    monkeypatch.setattr(torch, "tensor", lambda value, device: torch.full((), value))
    assert not asked(torch.device("cuda", 0))
    assert "Failed to find C compiler" in caplog.text
    assert not asked(torch.device("cpu"))
