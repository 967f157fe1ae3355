"""Simulated single-cell screens: plates that are admitted, truth that fits the images, drugs that do what they say."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml

from exvivo.crops import CropSettings
from exvivo.errors import ConfigError, PlateError
from exvivo.files import digest_file
from exvivo.markers import fit_mixture
from exvivo.sheets import load_config, read_sheets
from exvivo.sheets.layouts import read_layout
from exvivo.simulate.cells import CellDesign, Marker, draw_cells, simulate_cells
from exvivo.simulate.cells.design import CellDrug, draw_drugs, draw_samples
from exvivo.simulate.cells.screens import plan_cells
from plates_made import admit

SMALL = CellDesign(
    samples=2, plates=1, drugs=4, solvent=3, fields=2, size=96, cells=40, markers=(Marker(),)
)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("cells")
    simulate_cells(out, SMALL, 3, workers=1)
    return out


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_plates_are_admitted_with_all_channels_fields_and_pixel_size(cohort, tmp_path):
    admission = admit(cohort / "raw" / "CELL01_P1", tmp_path)
    assert admission.verdict == "admitted" and admission.reasons == []
    assert [admission.channels[c].name for c in "123"] == ["DAPI", "BF", "FITC"]
    assert admission.channels["2"].pixel_size_um == pytest.approx(2.6)
    wells = len(admission.admitted_wells())
    assert wells == 3 + 4 * 5  # solvent; two wells of 1 µM and three of 10 µM of each drug
    assert admission.found == {"wells": wells, "images": wells * 2 * 3}


def test_sheets_and_layouts_are_read_by_the_library(cohort):
    config = load_config(yaml.safe_load((cohort / "config/config.yaml").read_text()))
    sheets = read_sheets(config, cohort)
    assert list(sheets.screens) == ["CELL01", "CELL02"]
    assert all((cohort / "raw" / plate.path).exists() for plate in sheets.plates.values())
    assert sheets.samples["S002"]["imaging"] == "lamp 60%"
    layout = read_layout(cohort / "config/layouts/CELL01.tsv")
    assert (layout["role"] == "negative_control").sum() == 3
    doses = layout[layout["role"] == "treatment"].groupby("concentration").size()
    assert doses.to_dict() == {1000.0: 8, 10000.0: 12}


def test_equal_seeds_make_equal_files_whatever_the_workers(cohort, tmp_path):
    simulate_cells(tmp_path / "again", SMALL, 3, workers=2)
    assert digests(tmp_path / "again") == digests(cohort)
    other = plan_cells(SMALL, 4).plates[0]
    place = next(iter(other.design.wells))
    assert (other.field(place, 0)[0] != plan_cells(SMALL, 3).plates[0].field(place, 0)[0]).any()


def test_a_folder_of_another_cohort_is_refused(cohort):
    with pytest.raises(PlateError, match="another simulation"):
        simulate_cells(cohort, replace(SMALL, fields=1), 3, workers=1)


def test_a_nucleus_lies_where_the_truth_says(cohort):
    cells = pd.read_parquet(cohort / "truth" / "cells.parquet")
    assert list(cells) == ["plate", "well", "field", "y", "x", "cancer", "marked", "marked_CD34"]
    found = 0
    for path in (cohort / "raw" / "CELL01_P1").rglob("*_s1_w1*.tif"):
        well = path.name.removeprefix("CELL01_P1_")[:3]
        here = (cells["plate"] == "CELL01_P1") & (cells["well"] == well) & (cells["field"] == 1)
        inner = cells[here & cells["y"].between(3, 92) & cells["x"].between(3, 92)]
        rows, columns = np.rint(inner[["y", "x"]].to_numpy()).astype(int).T
        image = tifffile.imread(path).astype(float)
        assert (image[rows, columns] > 1.7 * np.median(image)).all()
        found += len(inner)
    assert found > 300


def test_counts_of_wells_are_those_of_the_cells(cohort):
    cells = pd.read_parquet(cohort / "truth" / "cells.parquet")
    wells = table(cohort / "truth" / "wells.tsv")
    assert sum(int(row["cells"]) for row in wells) == len(cells)
    assert json.loads((cohort / "truth" / "parameters.json").read_text())["seed"] == 3


def test_weak_labels_are_wrong_as_often_as_planned_and_two_populations():
    made = draw_cells(CellDesign(samples=2), 1, per_sample=3000)
    cells = made.table
    assert made.crops.shape == (6000, 2, 30, 30) and len(cells) == 6000
    wrong = (cells["marked"] != cells["cancer"]).groupby(cells["sample"]).mean()
    assert wrong.between(0.10, 0.20).all()
    worse = (cells["marked_CD3"] != cells["cancer"]).mean()
    assert wrong.mean() < worse < 0.3
    mixture = fit_mixture(cells["marker_CD34"].to_numpy(float))
    assert mixture.usable
    told = mixture.is_positive(cells["marker_CD34"].to_numpy(float))
    assert (told == cells["marked"]).mean() > 0.98
    # A marker of healthy cells: positive means healthy.
    healthy = fit_mixture(cells["marker_CD3"].to_numpy(float))
    told = ~healthy.is_positive(cells["marker_CD3"].to_numpy(float))
    assert (told == cells["marked_CD3"]).mean() > 0.98


def test_morphology_tells_the_classes_and_no_single_feature_does():
    made = draw_cells(CellDesign(samples=4), 1, per_sample=800)
    truth = made.table["cancer"].to_numpy(bool)
    features = _rings(made)
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    groups = made.table["sample"].to_numpy()
    found = cross_val_predict(
        model, features, made.table["marked"], groups=groups, cv=GroupKFold(4)
    )
    labels = (made.table["marked"] == truth).mean()
    assert (found == truth).mean() > 0.92 > labels
    single = [roc_auc_score(truth, f) for f in features.T]
    assert max(max(a, 1 - a) for a in single) < 0.92


def _rings(made) -> np.ndarray:
    """Mean and spread of grey values in rings around each centre, lamp and offset taken out."""
    axis = np.arange(20) - 9.5
    radius = np.hypot(axis[:, None], axis)
    grey = (made.crops[:, :, 5:-5, 5:-5] - 110.0) / made.table["lamp"].to_numpy()[
        :, None, None, None
    ]
    edges = [0, 1.2, 2, 3, 4, 6]
    rings = [(radius >= a) & (radius < b) for a, b in pairwise(edges)]
    parts = [f(grey[:, c][:, ring], axis=1) for c in (0, 1) for ring in rings for f in (np.mean, np.std)]  # fmt: skip
    return np.log(np.stack(parts, axis=1) + 1)


def test_lamp_power_scales_dapi_and_bright_field():
    made = draw_cells(CellDesign(samples=4), 2, per_sample=300)
    level = made.crops[:, 1].mean(axis=(1, 2)) - 110.0
    by_lamp = pd.Series(level).groupby(made.table["lamp"]).mean()
    assert by_lamp[0.6] / by_lamp[1.0] == pytest.approx(0.6, abs=0.03)
    by_pair = made.table.groupby("sample")[["lamp", "diagnosis"]].first()
    assert len(by_pair.drop_duplicates()) == 4  # neither explains the other


@pytest.mark.parametrize("kind", ["inert", "selective", "kills_all", "strips_marker"])
def test_drugs_do_what_they_are_for(kind):
    design = CellDesign(samples=1, cells=600)
    sample = draw_samples(design, 1)[0]
    drug = CellDrug("Drug", kind, sample.diagnosis)
    cells = _cells(design, drug)
    solvent = _cells(design, None)
    fraction = cells["cancer"].mean() / solvent["cancer"].mean()
    marked = cells["marked"].mean() / solvent["marked"].mean()
    count = len(cells) / len(solvent)
    assert fraction == pytest.approx(drug.fraction(sample, 1), abs=0.08)
    if kind == "selective":
        assert fraction < 0.6 and marked < 0.75 and count > 0.5
    elif kind == "kills_all":
        assert fraction == pytest.approx(1, abs=0.2) and count < 0.3
    elif kind == "strips_marker":
        assert fraction > 0.9 and marked < 0.6 and count > 0.9
    else:
        assert min(fraction, marked, count) > 0.85


def _cells(design: CellDesign, drug: CellDrug | None) -> pd.DataFrame:
    plan = plan_cells(replace(design, drugs=0, solvent=1), 1)
    plate = plan.plates[0]
    place, content = next(iter(plate.design.wells.items()))
    if drug is not None:
        treated = replace(content, treatment=drug.name, concentration=10000.0)
        plate = replace(plate, drugs=(drug,), design=replace(plate.design, wells={place: treated}))
    tables = [plate.truth(place, site, plate.field(place, site)[1]) for site in range(4)]
    return pd.concat(tables)


def test_selective_drugs_work_better_where_they_are_for():
    design = CellDesign()
    drugs, samples = draw_drugs(design), draw_samples(design, 1)
    targeted = [d for d in drugs if d.kind == "selective"]
    assert {d.diagnosis for d in targeted} == set(design.diagnoses)
    for drug in targeted:
        own = [drug.fraction(s, 1) for s in samples if s.diagnosis == drug.diagnosis]
        other = [drug.fraction(s, 1) for s in samples if s.diagnosis != drug.diagnosis]
        assert max(own) < min(other) < 1


def test_crops_of_another_size_and_designs_that_make_no_sense():
    made = draw_cells(SMALL, 1, per_sample=20, settings=CropSettings(size=12, margin=2, pixel_um=0))
    assert made.crops.shape == (40, 2, 16, 16) and made.weak().size == 12
    with pytest.raises(ConfigError, match="no cells can be simulated"):
        replace(SMALL, markers=())
