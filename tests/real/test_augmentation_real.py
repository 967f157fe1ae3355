"""The published augmentation, pixel by pixel: 21 cases recorded from Keras-Preprocessing 1.1.2."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from exvivo.networks import preprocessing
from exvivo.training.augmentation import affine, augment_legacy, normalise, warp

CASES = 21
RULE = preprocessing("caffe")


@pytest.fixture(scope="module")
def reference(real_data):
    with np.load(real_data / "augmentation" / "keras_augment_reference.npz") as content:
        return {name: content[name] for name in content.files}


@pytest.fixture(scope="module")
def image(reference):
    """MIP and MID, (1, 2, 64, 64) in [0, 1], as exvivo hands them on."""
    planes = np.stack([reference["proj16"], reference["mid16"]])
    return torch.from_numpy(planes.astype(np.float32) / 65535)[None]


def test_network_input_is_that_of_the_published_code(reference, image):
    found = normalise(image, RULE)[0].permute(1, 2, 0).numpy()
    assert np.abs(found - reference["input_caffe_bgr"]).max() < 1e-4  # grey values of 0 to 255


@pytest.mark.parametrize("case", range(CASES))
def test_legacy_agrees(reference, image, case):
    parameters = reference["params"][case : case + 1].astype(np.float64)
    maps = torch.from_numpy(affine(parameters, 64))
    if np.isnan(parameters[0, 7]):  # recorded without the brightness step
        found = warp(normalise(image.double(), RULE), maps).float()
        tolerance = 1e-3
    else:
        factors = torch.tensor(parameters[:, 7], dtype=torch.float32)
        found = augment_legacy(image, maps, factors, RULE)
        tolerance = 1  # one 8-bit step, where a value lies on the edge of two
    difference = np.abs(found[0].permute(1, 2, 0).numpy() - reference["outputs"][case])
    assert difference.max() <= tolerance
    assert (difference > 1e-3).mean() < 1e-3


def test_the_reference_tells_cases_apart(reference):
    """A test that could not fail would be worth nothing: no two recorded outputs agree as closely."""
    outputs = reference["outputs"]
    assert outputs.shape == (CASES, 64, 64, 3)
    for i in range(CASES):
        for j in range(i):
            assert np.abs(outputs[i] - outputs[j]).max() > 1
