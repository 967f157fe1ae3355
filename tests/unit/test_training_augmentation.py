"""Augmentation against scipy, its draws, and the two intensity modes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from exvivo.networks import preprocessing
from exvivo.training.augmentation import (
    affine,
    augment_clean,
    augment_legacy,
    brightness_8bit,
    draw,
    normalise,
    warp,
)

SIZE = 48


@pytest.fixture
def images():
    generator = np.random.default_rng(0)
    return torch.from_numpy(generator.random((3, 2, SIZE, SIZE)))


def by_scipy(image, parameters):
    """The published transform, written with scipy from its description."""
    theta, rows, columns, zoom_rows, zoom_columns, flip_h, flip_v = parameters[:7]
    theta = np.deg2rad(theta)
    rotation = np.array(
        [[np.cos(theta), -np.sin(theta), 0], [np.sin(theta), np.cos(theta), 0], [0, 0, 1]]
    )
    shift = np.array([[1, 0, rows], [0, 1, columns], [0, 0, 1]])
    matrix = rotation @ shift @ np.diag([zoom_rows, zoom_columns, 1])
    centre = SIZE / 2 + 0.5
    move, back = np.eye(3), np.eye(3)
    move[:2, 2], back[:2, 2] = centre, -centre
    matrix = move @ matrix @ back
    warped = ndimage.affine_transform(image, matrix[:2, :2], matrix[:2, 2], order=1, mode="reflect")
    warped = warped[:, ::-1] if flip_h else warped
    return warped[::-1] if flip_v else warped


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_warp_is_scipys_affine_transform(images, epoch):
    _, parameters = draw(0, 1, epoch, len(images), SIZE)
    found = warp(images, torch.from_numpy(affine(parameters, SIZE))).numpy()
    for image, transformed, row in zip(images.numpy(), found, parameters, strict=True):
        for channel in range(2):
            expected = by_scipy(image[channel], row)
            np.testing.assert_allclose(transformed[channel], expected, atol=1e-9)


def test_warp_mirrors_far_outside_too(images):
    parameters = np.array([[170.0, 2.6 * SIZE, -3.1 * SIZE, 2.5, 0.4, 0, 1, 1]])
    found = warp(images[:1], torch.from_numpy(affine(parameters, SIZE)))
    expected = by_scipy(images[0, 0].numpy(), parameters[0])
    np.testing.assert_allclose(found[0, 0].numpy(), expected, atol=1e-9)


def test_warp_in_single_precision_is_close(images):
    _, parameters = draw(3, 2, 1, len(images), SIZE)
    maps = torch.from_numpy(affine(parameters, SIZE))
    single = warp(images.float(), maps.float())
    torch.testing.assert_close(single.double(), warp(images, maps), atol=2e-4, rtol=0)


def test_no_parameters_no_change(images):
    still = np.array([[0.0, 0, 0, 1, 1, 0, 0, 1]])
    found = warp(images[:1], torch.from_numpy(affine(still, SIZE)))
    torch.testing.assert_close(found, images[:1])


def test_draws_depend_on_seed_phase_and_epoch_alone():
    first, again = draw(0, 2, 7, 20, 224), draw(0, 2, 7, 20, 224)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    for other in (draw(1, 2, 7, 20, 224), draw(0, 1, 7, 20, 224), draw(0, 2, 8, 20, 224)):
        assert not np.array_equal(first[0], other[0])
        assert not np.array_equal(first[1], other[1])


def test_draws_fill_the_published_ranges():
    order, parameters = draw(0, 1, 1, 20_000, 224)
    assert np.array_equal(np.sort(order), np.arange(20_000))
    low = np.array([-30, -22.4, -22.4, 0.9, 0.9, 0, 0, 0.5])
    high = np.array([30, 22.4, 22.4, 1.1, 1.1, 1, 1, 1.5])
    assert (parameters >= low).all()
    assert (parameters <= high).all()
    np.testing.assert_allclose(parameters.min(0), low, atol=0.02)
    np.testing.assert_allclose(parameters.max(0), high, atol=0.02)
    np.testing.assert_allclose(parameters.mean(0), (low + high) / 2, atol=0.3)
    assert abs(np.corrcoef(parameters[:, 3], parameters[:, 4])[0, 1]) < 0.03  # zooms independent


def test_clean_multiplies_before_the_offset(images):
    rule = preprocessing("torchvision")
    maps = torch.from_numpy(affine(np.array([[0.0, 0, 0, 1, 1, 0, 0, 1]]), SIZE))
    found = augment_clean(images[:1], maps, torch.tensor([1.5], dtype=torch.float64), rule)
    mip, mid = images[0]
    mean, std = (torch.tensor(v, dtype=torch.float64) for v in (rule.mean, rule.std))
    expected = torch.stack(
        [(1.5 * p + 0.5 - m) / s for p, m, s in zip((mip, mid, mip), mean, std, strict=True)]
    )
    torch.testing.assert_close(found[0], expected)


def test_clean_at_factor_one_is_what_inference_sees(images):
    rule = preprocessing("lite", offset=0.0, gain=2.5)
    still = torch.from_numpy(affine(np.array([[0.0, 0, 0, 1, 1, 0, 0, 1]]), SIZE))
    found = augment_clean(images[:1], still, torch.ones(1, dtype=torch.float64), rule)
    torch.testing.assert_close(found, normalise(images[:1], rule))


def test_legacy_ignores_intensity_as_the_published_library_did(images):
    """Trap 2: with and without the offset, dim or bright, the training image is the same."""
    _, parameters = draw(0, 1, 1, 1, SIZE)
    maps, factors = torch.from_numpy(affine(parameters, SIZE)), torch.tensor([0.8])
    one = images[:1].float()
    plain = augment_legacy(one, maps, factors, preprocessing("caffe", offset=0.5))
    shifted = augment_legacy(one, maps, factors, preprocessing("caffe", offset=0.0))
    assert (plain - shifted).abs().max() <= 1  # one 8-bit step
    assert plain.min() == 0
    assert plain.max() == pytest.approx(204)  # 0.8 of 255


def test_8bit_brightness_truncates_and_clips():
    image = torch.tensor([[0.0, 1.0], [2.0, 4.0]]).expand(1, 3, 2, 2)
    found = brightness_8bit(image, torch.tensor([1.5]))
    assert found[0, 0].tolist() == [
        [0, 94],
        [190, 255],
    ]  # 63 · 1.5 = 94.5; 127 · 1.5 = 190.5; clipped
    flat = brightness_8bit(torch.full((1, 3, 2, 2), 7.0), torch.tensor([1.5]))
    assert (flat == 0).all()
