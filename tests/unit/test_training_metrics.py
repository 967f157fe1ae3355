"""Loss, accuracy, AUROC: the published numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exvivo.training.metrics import (
    MINIMUM_LOSS,
    auroc_keras,
    cross_entropy,
    cross_entropy_slope,
    minimum_loss,
    smooth,
    summary,
)


def test_smallest_reachable_loss_is_the_published_one():
    assert MINIMUM_LOSS == 0.5004024235381879
    assert minimum_loss(0.4) == pytest.approx(0.5004024235381879, abs=1e-15)
    assert minimum_loss(0.0) == 0
    targets = torch.tensor([[0.2, 0.8]], dtype=torch.float64)
    best = cross_entropy(targets.log(), targets.float())
    assert best.item() == pytest.approx(MINIMUM_LOSS, abs=1e-6)
    for shift in (-0.3, 0.3):
        assert cross_entropy(targets.log() + torch.tensor([0, shift]), targets.float()) > best


def test_smoothing_gives_the_published_targets():
    np.testing.assert_allclose(smooth(np.eye(2), 0.4), [[0.8, 0.2], [0.2, 0.8]])
    np.testing.assert_array_equal(smooth(np.array([[0.3, 0.7]]), 0.0), [[0.3, 0.7]])


def test_auroc_of_perfect_chance_and_inverted_outputs():
    truth = np.eye(2)[[0, 0, 1, 1]]
    perfect = np.array([[0.9, 0.1], [0.8, 0.2], [0.2, 0.8], [0.1, 0.9]])
    assert auroc_keras(perfect, truth) == pytest.approx(1.0)
    assert auroc_keras(perfect[:, ::-1], truth) == pytest.approx(0.0)
    assert auroc_keras(np.full((4, 2), 0.5), truth) == pytest.approx(0.5)
    assert auroc_keras(np.zeros((0, 2)), np.zeros((0, 2))) is None


def test_auroc_approaches_the_exact_area():
    generator = np.random.default_rng(0)
    viability = generator.random(400)
    truth = np.eye(2)[(viability + 0.6 * generator.standard_normal(400) > 0.5).astype(int)]
    probabilities = np.stack([1 - viability, viability], 1)
    scores, positive = probabilities.ravel(), truth.ravel() > 0.5
    higher = scores[positive][:, None] - scores[~positive][None]
    exact = (higher > 0).mean() + 0.5 * (higher == 0).mean()
    assert auroc_keras(probabilities, truth) == pytest.approx(exact, abs=2e-3)
    assert 0.6 < exact < 0.9


def test_thresholds_are_kerass_200():
    from exvivo.training.metrics import _THRESHOLDS

    assert len(_THRESHOLDS) == 200
    assert _THRESHOLDS[0] < 0 < _THRESHOLDS[1] == 1 / 199
    assert _THRESHOLDS[-2] == 198 / 199 < 1 < _THRESHOLDS[-1]


def test_summary_takes_loss_from_smoothed_and_accuracy_from_hard_targets():
    hard = np.eye(2)[[0, 1, 1]]
    logits = np.log(np.array([[0.8, 0.2], [0.2, 0.8], [0.6, 0.4]]))
    found = summary(logits, hard, smooth(hard, 0.4), with_auroc=True)
    third = -(0.2 * np.log(0.6) + 0.8 * np.log(0.4))
    assert found["loss"] == pytest.approx((2 * MINIMUM_LOSS + third) / 3, rel=1e-6)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["auroc"] is not None
    assert summary(logits, hard, hard, with_auroc=False)["auroc"] is None


@pytest.mark.parametrize(("count", "used"), [(1, 1), (4, 4), (8, 3)])
def test_slope_of_the_loss_is_autograds_bit_for_bit(count, used):
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn(count, 2, generator=generator, requires_grad=True)
    viable = torch.rand(count, 1, generator=generator)
    targets = torch.cat([1 - viable, viable], 1)
    weights = (torch.arange(count) < used).float()
    ((cross_entropy(logits, targets) * weights).sum() / weights.sum()).backward()
    found = cross_entropy_slope(logits.detach(), targets, weights / weights.sum())
    assert torch.equal(found, logits.grad)
    assert not found[used:].any()
