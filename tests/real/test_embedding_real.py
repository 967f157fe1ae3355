"""Worked examples of the latent space."""

import json

import numpy as np
import pytest

from exvivo.embedding.neighbours import tail
from exvivo.embedding.similarity import expected_neighbours, log_ratio


@pytest.fixture(scope="module")
def golden(real_data):
    return json.loads((real_data / "golden_cells.json").read_text())["worked"]


def test_worked_example_of_dms(golden):
    own = golden["dms"]
    total = own["cells_per_group"] * own["groups"]
    excluded = own["cells_per_group"] * own["excluded_groups"]
    expected = expected_neighbours(own["cells_per_group"], own["cells_per_group"], total, excluded)
    assert expected == pytest.approx(own["expected"], rel=1e-9)
    # log2(40 / 1.28534704) is 4.95977016; the file has 4.95976016, a digit off.
    found = log_ratio(np.array(own["observed"]), np.array(expected), pseudocount=0)
    assert found == pytest.approx(own["dms_log2"], abs=2e-5)


def test_worked_example_of_enrichment(golden):
    own = golden["knn"]
    assert own["k"] * own["K"] / own["N"] == pytest.approx(own["expected"], rel=1e-6)
    p = np.exp(tail(own["N"], own["K"], own["k"], own["n"]))
    assert p == pytest.approx(own["p_ge"], rel=1e-4)
    assert p * 350_000 == pytest.approx(own["bonferroni_350000"], rel=1e-4)
