"""Survival of two classical studies: estimates and tests as R and lifelines give them."""

import json

import pandas as pd
import pytest

from exvivo.outcomes import compare, survival


@pytest.fixture(scope="module")
def golden(real_data):
    return json.loads((real_data / "golden_cells.json").read_text(encoding="utf-8"))["survival"]


def test_freireich(real_data, golden):
    study = pd.read_csv(real_data / "survival/leukemia_freireich.csv")
    arms = {name: part for name, part in study.groupby("Rx")}
    for name, part in arms.items():
        expected = golden["leukemia"][f"Rx{name}"]
        found = survival(part["t"], part["status"], tau=35)
        assert (found.n, found.events) == (expected["n"], expected["events"])
        assert found.median == expected["median"]
        assert found.area == pytest.approx(expected["rmst35"], rel=1e-9)
    tests = compare(*((part["t"], part["status"]) for part in arms.values()))
    expected = golden["leukemia"]
    assert tests["logrank_chi2"] == pytest.approx(expected["logrank_chi2"], rel=1e-6)
    assert tests["wilcoxon_chi2"] == pytest.approx(expected["gehan_wilcoxon_chi2"], rel=1e-6)
    assert tests["wilcoxon_p"] == pytest.approx(expected["gehan_wilcoxon_p"], rel=1e-6)


def test_lung_cancer_by_sex(real_data, golden):
    study = pd.read_csv(real_data / "survival/lung_ncctg.csv")
    parts = {name: part for name, part in study.groupby("sex")}
    expected = golden["lung_by_sex"]
    for name, part in parts.items():
        found = survival(part["time"], part["status"] == 1)
        assert found.median == expected[f"sex{name}"]["median"]
        assert found.events == expected[f"sex{name}"]["events"]
    tests = compare(*((part["time"], part["status"] == 1) for part in parts.values()))
    assert tests["logrank_p"] == pytest.approx(expected["logrank_p"], rel=1e-6)
