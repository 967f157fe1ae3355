"""Recipes: the published numbers, and settings that cannot be."""

from __future__ import annotations

import pytest

from exvivo.errors import ConfigError
from exvivo.networks import NETWORKS, PHASES, Recipe, recipe, recipe_from_settings


@pytest.mark.parametrize("network", ["vgg19", "vgg16"])
@pytest.mark.parametrize(("phase", "rate"), [("phase1", 1e-7), ("phase2", 3e-7), ("phase3", 3e-7)])
def test_vgg_trains_as_published(network, phase, rate):
    found = recipe(network, phase)
    assert found.origin == "published"
    assert (found.learning_rate, found.epochs, found.batch_size) == (rate, 200, 1)
    assert (found.beta1, found.beta2, found.epsilon) == (0.9, 0.999, 1e-7)
    assert found.label_smoothing == (0.0 if phase == "phase3" else 0.4)
    assert (found.intensity_scale, found.offset, found.epoch) == ("dtype", 0.5, "last")
    assert found.validation_total == (20 if phase == "phase1" else 0)
    assert found.validation_per_class == (1 if phase == "phase2" else 0)


def test_every_network_has_a_recipe_for_every_phase_and_ours_are_called_ours():
    for network in NETWORKS:
        for phase in PHASES:
            found = recipe(network, phase)
            assert (found.network, found.phase) == (network, phase)
            assert found.origin == ("published" if network.startswith("vgg") else "ours")


def test_lite0_trains_with_the_designs_numbers():
    found = recipe("efficientnet_lite0", "phase2")
    assert (found.learning_rate, found.epochs) == (1e-4, 25)


def test_a_changed_recipe_is_no_longer_published():
    assert recipe("vgg19", "phase2", {"epochs": 200}).origin == "published"
    assert recipe("vgg19", "phase2", {"epochs": None}).origin == "published"
    changed = recipe("vgg19", "phase2", {"epochs": 10, "learning_rate": 1e-6})
    assert changed.origin == "published, changed: epochs, learning_rate"
    assert (changed.epochs, changed.learning_rate) == (10, 1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epoch": 10}, "epoch"),
        ({"epohcs": 10}, "epohcs"),
        ({"network": "small"}, "network"),
        ({"epochs": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "above 0"),
        ({"batch_size": 0}, "at least 1"),
        ({"label_smoothing": 1.0}, "below 1"),
        ({"input_size": 8}, "at least 16"),
        ({"intensity_scale": "percentile"}, "dtype or controls"),
        ({"augmentation": "strong"}, "clean or legacy"),
        ({"epoch": "best"}, "last or best_validation"),
        ({"precision": "float16"}, "bfloat16 or tf32"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_place(changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        recipe("small", "phase2", changes)
    assert "training.recipes.small.phase2" in str(caught.value)


def test_phase3_has_no_validation_to_choose_an_epoch_by():
    with pytest.raises(ConfigError, match="no validation wells"):
        recipe("small", "phase3", {"epoch": "best_validation"})


@pytest.mark.parametrize(("network", "phase"), [("vgg11", "phase1"), ("small", "phase4")])
def test_unknown_network_and_phase_are_refused(network, phase):
    with pytest.raises(ConfigError, match="no such"):
        recipe(network, phase)


def test_settings_of_the_workflow_become_a_recipe():
    settings = {
        "augmentation": "legacy",
        "precision": "tf32",
        "epoch": "best_validation",
        "seed": 3,
        "overrides": {"input_size": 64, "phase1": {"epochs": 4}, "phase3": {"learning_rate": 1e-5}},
    }
    one, two, three = (recipe_from_settings("small", phase, settings) for phase in PHASES)
    assert [r.input_size for r in (one, two, three)] == [64, 64, 64]
    assert [r.augmentation for r in (one, two, three)] == ["legacy"] * 3
    assert [r.precision for r in (one, two, three)] == ["tf32"] * 3
    assert recipe("small", "phase2").precision == "bfloat16"
    assert [r.epoch for r in (one, two, three)] == ["best_validation", "best_validation", "last"]
    assert one.epochs == 4
    assert two.epochs == recipe("small", "phase2").epochs
    assert three.learning_rate == 1e-5
    plain = recipe_from_settings("vgg19", "phase1", {"overrides": {}})
    assert plain == recipe("vgg19", "phase1")
    assert isinstance(plain, Recipe)
