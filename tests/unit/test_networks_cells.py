"""Networks for cells: the published search space, ours inside it, features and logits that agree."""

import numpy as np
import pytest
import torch

from exvivo.errors import ConfigError
from exvivo.networks.bodies import (
    MAX_LAYERS,
    SPACE,
    Body,
    Layer,
    check_in_space,
    draw_layers,
    is_valid,
    weight_count,
)
from exvivo.networks.cells import CELL_NETWORKS, MCNN, MCNN_LATENT, build_cell_network


def crops(count=3, channels=2, size=20):
    return torch.randn(count, channels, size, size, generator=torch.Generator().manual_seed(0))


def test_mcnn_lies_inside_the_published_space():
    check_in_space(MCNN)
    assert 22 <= len(MCNN) <= MAX_LAYERS


def test_the_latent_layer_is_the_23rd_and_the_last_dense_one():
    dense = [place for place, layer in enumerate(MCNN) if layer.kind == "dense"]
    assert dense[-1] == MCNN_LATENT and MCNN_LATENT + 2 == 23
    assert build_cell_network("mcnn").n_features == 64


def test_sizes():
    assert weight_count(MCNN) == sum(p.numel() for p in build_cell_network("mcnn").parameters())
    assert 160_000 < weight_count(MCNN) < 175_000
    resnet = sum(p.numel() for p in build_cell_network("resnet").parameters())
    assert resnet > weight_count(MCNN)  # "considerably smaller than ResNet"


@pytest.mark.parametrize("name", CELL_NETWORKS)
@pytest.mark.parametrize(("channels", "size"), [(2, 20), (3, 40), (1, 24)])
def test_features_lead_to_the_logits(name, channels, size):
    model = build_cell_network(name, channels=channels, size=size).eval()
    images = crops(3, channels, size)
    features = model.forward_features(images)
    assert features.shape == (3, model.n_features)
    assert torch.allclose(model.from_features(features), model(images), atol=1e-6)
    assert model(images).shape == (3, 2)


@pytest.mark.parametrize("name", CELL_NETWORKS)
def test_weights_come_from_the_seed_alone(name):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, again, other = (build_cell_network(name, seed=s).state_dict() for s in (0, 0, 1))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(one[k], again[k]) for k in one)
    assert any(not torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize(("name", "size"), [("vgg19", 20), ("mcnn", 7)])
def test_unknown_networks_and_tiny_crops_are_refused(name, size):
    with pytest.raises(ConfigError, match=f"found: {name}, {size}"):
        build_cell_network(name, size=size)


def test_random_bodies_are_drawn_from_all_types_and_the_published_ranges():
    rng = np.random.default_rng(0)
    bodies = [draw_layers(rng) for _ in range(500)]
    for body in bodies:
        check_in_space(body)
    layers = [layer for body in bodies for layer in body]
    share = {kind: sum(x.kind == kind for x in layers) / len(layers) for kind in SPACE}
    assert share == pytest.approx(dict.fromkeys(SPACE, 1 / 9), abs=0.02)
    assert {len(body) for body in bodies} == set(range(1, MAX_LAYERS + 1))
    filters = [x.numbers["filters"] for x in layers if x.kind == "conv"]
    assert min(filters) == 5 and max(filters) == 100


def test_what_is_valid_can_be_built_and_run_and_nothing_else():
    rng = np.random.default_rng(1)
    valid = 0
    for _ in range(300):
        body = draw_layers(rng)
        if is_valid(body):
            valid += 1
            out = Body(body).eval()(crops())
            assert out.shape == (3, 2) and torch.isfinite(out).all()
        else:
            with pytest.raises(ConfigError, match="does not fit"):
                Body(body)
    assert 20 < valid < 290


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([Layer("dense", {"nodes": 9}), Layer("max_pool", {"window": 2, "stride": 2})], "layer 2"),
        ([Layer("average_pool", {"window": 5, "stride": 3})] * 4, "at most 1 pixels"),
        ([Layer("attention")], "attention"),
    ],
)
def test_misfits_are_named(layers, message):
    with pytest.raises(ConfigError, match=message):
        Body(layers)


@pytest.mark.parametrize(
    "layer", [Layer("dense", {"nodes": 101}), Layer("relu", {"slope": 1}), Layer("gelu")]
)
def test_layers_outside_the_space_are_refused(layer):
    with pytest.raises(ConfigError, match="does not fit"):
        check_in_space([layer])
