"""The fast loop against the plain one, and what a CUDA graph needs of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from exvivo.networks import build, preprocessing, recipe
from exvivo.networks.layers import ConvReLU, Dense
from exvivo.training import devices, kernels, updates
from exvivo.training import engine as engine_module
from exvivo.training.engine import Engine, TrainingSet, forward
from exvivo.training.graphs import restore, snapshot
from exvivo.training.plain import PlainLoop

# Folding and layout change the order of sums only: over the few steps below, weights differ by far less than
# Adam's smallest visible step, and outputs by rounding.
WEIGHTS = {"rtol": 0, "atol": 3e-4}
LOGITS = {"rtol": 0, "atol": 2e-3}


def training_set(count, size, seed=0):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    images = 0.3 * generator.random((count, 2, size, size), dtype=np.float32)
    images[:, :, :, : size // 2] += 0.4 * labels[:, None, None, None].astype(np.float32)
    rows = np.arange(count)[::-1].copy()
    return TrainingSet(torch.from_numpy(images), rows, np.eye(2)[labels[rows]])


def both(network, data, **changes):
    settings = recipe(network, "phase2", changes)
    rule = preprocessing("lite", offset=settings.offset)
    loops = [
        kind(build(network, seed=3), data, settings, rule, phase=2, seed=0)
        for kind in (Engine, PlainLoop)
    ]
    return loops


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        ("small", {"batch_size": 1}),
        ("small", {"batch_size": 4}),
        ("small", {"batch_size": 1, "augmentation": "legacy"}),
        ("efficientnet_lite0", {"batch_size": 1, "learning_rate": 1e-5}),
        ("efficientnet_lite0", {"batch_size": 4, "learning_rate": 1e-5}),
        ("resnet50", {"batch_size": 3, "learning_rate": 1e-6}),
    ],
)
def test_engine_equals_the_plain_loop(network, changes):
    data = training_set(6, 32)
    fast, plain = both(network, data, **changes)
    for epoch in (1, 2):
        logits, _ = fast.train_epoch(epoch)
        torch.testing.assert_close(
            torch.from_numpy(logits), torch.from_numpy(plain.train_epoch(epoch)), **LOGITS
        )
    for name, weight in fast.model.state_dict().items():
        torch.testing.assert_close(weight, plain.model.state_dict()[name], **WEIGHTS)


def test_training_changes_weights_by_more_than_the_tolerance():
    data = training_set(6, 32)
    fast, _ = both("small", data, batch_size=1)
    before = snapshot(fast.state())
    fast.train_epoch(1)
    after = fast.state()
    moved = [(after[n] - t).abs().max().item() for n, t in before.items() if n.startswith("model.")]
    assert min(moved) > 2 * WEIGHTS["atol"]
    assert max(moved) > 15 * WEIGHTS["atol"]


def test_the_last_step_is_filled_up_at_weight_zero():
    """Five examples in batches of two: three steps, and the sixth place teaches nothing."""
    data = training_set(5, 32)
    fast, plain = both("small", data, batch_size=2)
    assert fast.steps == 3
    logits, examples = fast.train_epoch(1)
    assert sorted(examples) == list(range(5))
    np.testing.assert_allclose(logits, plain.train_epoch(1), atol=2e-4)


def test_logits_come_with_the_examples_they_belong_to():
    data = training_set(8, 32)
    fast, _ = both("small", data, batch_size=2, learning_rate=3e-3)
    for epoch in range(1, 61):
        logits, examples = fast.train_epoch(epoch)
    assert (logits.argmax(1) == data.targets[examples].argmax(1)).all()


def test_two_engines_of_one_seed_are_bit_equal_and_of_another_are_not():
    data = training_set(6, 32)
    states = []
    for seed in (0, 0, 1):
        settings = recipe("small", "phase2", {"batch_size": 2})
        model = build("small", seed=3)
        engine = Engine(model, data, settings, preprocessing("plain"), phase=2, seed=seed)
        engine.train_epoch(1)
        states.append(snapshot(engine.state()))
    assert all(torch.equal(states[0][n], states[1][n]) for n in states[0])
    assert not all(torch.equal(states[0][n], states[2][n]) for n in states[0])


def test_a_step_touches_only_what_its_state_names():
    """What GraphedStep relies on: warm-up steps are undone by restoring the named tensors."""
    data = training_set(6, 32)
    engine, _ = both("small", data, batch_size=2)
    engine._load_tables(1)
    before = snapshot(engine._steps_state())
    addresses = {name: tensor.data_ptr() for name, tensor in engine._steps_state().items()}
    engine._steps(1)
    first = snapshot(engine._steps_state())
    restore(engine._steps_state(), before)
    engine._steps(1)
    again = engine._steps_state()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert addresses == {name: tensor.data_ptr() for name, tensor in again.items()}
    assert again["cursor"].item() == 1


def test_steps_made_together_are_those_made_one_by_one(monkeypatch):
    """Eleven steps: eight and three in one go each, or one at a time."""
    states = []
    for together in (8, 1):
        monkeypatch.setattr(engine_module, "TOGETHER", together)
        fast, _ = both("small", training_set(11, 32), batch_size=1)
        logits = [fast.train_epoch(epoch)[0] for epoch in (1, 2)]
        states.append(snapshot(fast.state()) | {"logits": torch.from_numpy(np.stack(logits))})
    assert all(torch.equal(states[1][name], tensor) for name, tensor in states[0].items())


@pytest.mark.parametrize(
    ("fused", "agrees"),
    [
        (lambda right, memory: right, True),
        (lambda right, memory: right + 0 * memory, False),  # reads what lay there: not a number
        (lambda right, memory: (right + 0 * memory).nan_to_num(0), False),
        (lambda right, memory: right + 1e-7 * torch.rand_like(right), False),
        (lambda right, memory: 1.5 * right, False),
    ],
)
def test_one_operation_for_convolution_and_relu_is_used_where_it_is_right(
    monkeypatch, fused, agrees
):
    layer, image = ConvReLU(3, 4, 3, padding=1), torch.rand(1, 3, 8, 8)
    stale = torch.full((1, 4, 8, 8), torch.nan)
    monkeypatch.setattr(updates, "_fused", lambda *passed: fused(updates._plain(*passed), stale))
    with torch.no_grad():
        assert updates.fused_agrees(layer, image, layer.weight, layer.bias) is agrees


def test_a_device_without_that_operation_does_without(monkeypatch):
    def missing(*passed):
        raise RuntimeError("not supported")

    layer, image = ConvReLU(3, 4, 3, padding=1), torch.rand(1, 3, 8, 8)
    monkeypatch.setattr(updates, "_fused", missing)
    with torch.no_grad():
        assert not updates.fused_agrees(layer, image, layer.weight, layer.bias)


def test_a_gpu_without_bfloat16_trains_without_it(monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    turing = torch.device("cuda", 0)
    assert devices.half_precision("bfloat16", turing) is None
    assert "no bfloat16" in caplog.text
    assert not kernels.available.__wrapped__(turing)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    assert devices.half_precision("bfloat16", turing) is torch.bfloat16
    assert devices.half_precision("tf32", turing) is None
    assert devices.half_precision("bfloat16", torch.device("cpu")) is None


def test_layers_have_their_own_passes_back_after_training():
    fast, _ = both("small", training_set(4, 32), batch_size=2)
    layers = [m for m in fast.model.modules() if isinstance(m, (ConvReLU, Dense))]
    assert len(layers) == 5
    assert all(layer.updates is fast.updates for layer in layers)
    fast.train_epoch(1)
    before = snapshot(fast.state())
    fast.release()
    fast.model(torch.rand(1, 3, 32, 32)).sum().backward()
    assert all(layer.updates is None and layer.weight.grad is not None for layer in layers)
    assert all(torch.equal(before[name], tensor) for name, tensor in fast.state().items())


class HostWork(TorchDispatchMode):
    """Notes operations that copy from the host or wait for the device: a CUDA graph forbids both."""

    forbidden = (
        "lift_fresh",
        "_local_scalar_dense",
        "_to_copy",
        "nonzero",
        "masked_select",
        "unique",
    )

    def __init__(self):
        super().__init__()
        self.found = []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.overloadpacket.__name__
        # a change of type on the device is no copy from the host
        if name in self.forbidden and not (name == "_to_copy" and "device" not in (keywords or {})):
            self.found.append(name)
        return function(*arguments, **(keywords or {}))


@pytest.mark.parametrize("augmentation", ["clean", "legacy"])
@pytest.mark.parametrize("network", ["small", "efficientnet_lite0", "resnet50"])
def test_a_step_does_nothing_that_a_cuda_graph_forbids(network, augmentation):
    engine, _ = both(network, training_set(2, 32), batch_size=1, augmentation=augmentation)
    engine._load_tables(1)
    with HostWork() as watch:
        engine._steps(1)
    assert watch.found == []
    with HostWork() as watch:  # and the watch sees such work
        torch.tensor([1.0]).item()
    assert watch.found == ["lift_fresh", "_local_scalar_dense"]


def test_tables_stay_at_their_addresses_between_epochs():
    data = training_set(6, 32)
    engine, _ = both("small", data, batch_size=2)
    tables = (engine._order, engine._shares, engine._maps, engine._factors, engine._cursor)
    addresses = [t.data_ptr() for t in tables]
    engine.train_epoch(1)
    engine.train_epoch(2)
    tables = (engine._order, engine._shares, engine._maps, engine._factors, engine._cursor)
    assert addresses == [t.data_ptr() for t in tables]


def test_forward_does_not_depend_on_how_many_images_come_along():
    model = build("efficientnet_lite0", seed=0).to(memory_format=torch.channels_last)
    images = training_set(7, 32).images
    rule = preprocessing("lite")
    logits, features = forward(model, images, rule, batch_size=4)
    assert logits.shape == (7, 2)
    assert features.shape == (7, 1280)
    alone, _ = forward(model, images[6:], rule, batch_size=4)
    assert torch.equal(alone[0], logits[6])
    none, nothing = forward(model, images[:0], rule, batch_size=4)
    assert none.shape == (0, 2)
    assert nothing.shape == (0, 1280)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    ("network", "precision"),
    [("efficientnet_lite0", "tf32"), ("small", "tf32"), ("small", "bfloat16")],
)
def test_graphed_and_eager_runs_of_one_seed_are_bit_equal(network, precision):
    """Seen for VGG19 on an H200, too, in both precisions."""
    data = training_set(11, 64)
    data = TrainingSet(data.images.cuda(), data.rows, data.targets)
    states = []
    for graph in (True, True, False):
        settings = recipe(network, "phase2", {"batch_size": 1, "precision": precision})
        model = build(network, seed=3).cuda()
        engine = Engine(model, data, settings, preprocessing("lite"), phase=2, seed=0, graph=graph)
        for epoch in (1, 2):
            engine.train_epoch(epoch)
        states.append(snapshot(engine.state()))
    for other in states[1:]:
        assert all(torch.equal(tensor, other[name]) for name, tensor in states[0].items())
