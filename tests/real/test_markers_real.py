"""Thresholds of real markers: DNA content of Jurkat cells, and a mitosis marker of human cells."""

import numpy as np
import pytest

from exvivo.markers import fit_mixture


@pytest.fixture(scope="module")
def jurkat(real_data):
    with np.load(real_data / "ifc/jurkat_experiment_1.npz") as content:
        return content["x"], content["label"]


def dna(x):
    """Integrated propidium iodide of each cell above the median of its image."""
    channel = x[..., 2].reshape(len(x), -1).astype(float)
    return (channel - np.median(channel, axis=1)[:, None]).sum(axis=1)


def test_dna_content_divides_cells_before_and_after_replication(jurkat):
    """Three quarters of the published cells: within some points of the figures of all."""
    x, label = jurkat
    own = np.isin(label, ["G1", "S_phase", "G2", "Prophase"])
    content, phase = dna(x[own]), label[own]
    mixture = fit_mixture(content)
    assert mixture.usable
    assert mixture.threshold == pytest.approx(5.279, abs=0.03)
    assert mixture.means == pytest.approx((5.1648, 5.3597), abs=0.03)
    positive = {name: mixture.is_positive(content)[phase == name].mean() for name in set(phase)}
    assert positive["G1"] < 0.03 and positive["G2"] > 0.75 and positive["Prophase"] > 0.75
