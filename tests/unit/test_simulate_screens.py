"""Simulated plates and screens as files, read back with the library's own readers."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from exvivo.errors import ExvivoError, PlateError, StoreError
from exvivo.files import digest_file
from exvivo.plates import get_instrument
from exvivo.sheets import load_config, read_sheets
from exvivo.sheets.layouts import read_layout
from exvivo.simulate import ScreenPlan, faults, simulate_plate, simulate_screen
from exvivo.simulate.compare import compare_screens, render, spearman
from exvivo.simulate.design import ScreenDesign, control_plate, screen_plates
from exvivo.simulate.drugs import panel
from exvivo.simulate.parameters import Imaging, WellState
from exvivo.simulate.plates import PlateJob, write_plates
from exvivo.simulate.render import Place, render_well
from exvivo.simulate.samples import SCREEN_SCENE

DESIGN = ScreenDesign(plates=2, plate_format=96, drugs=4, doses=3)
PLAN = ScreenPlan(
    screens=2, design=DESIGN, controls=3, imaging=Imaging(64, 3), metabolic=True, style="export"
)


@pytest.fixture(scope="module")
def facility(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("facility")
    simulate_screen(out, 5, PLAN, workers=1)
    return out


@pytest.fixture
def plate(tmp_path) -> Path:
    return simulate(tmp_path / "P1")


def simulate(folder: Path, **changes) -> Path:
    settings = {"plate_format": 96, "wells": 4, "image_size": 48, "planes": 3, "projection": True}
    simulate_plate(folder, **settings | {"workers": 1} | changes)
    return folder


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): digest_file(path) for path in files}


# designs


def test_demo_design_holds_what_the_screen_needs():
    drugs = panel(1)
    plates = screen_plates("X01", drugs, ScreenDesign(), seed=1)
    assert [plate.plate for plate in plates] == ["X01_P1", "X01_P2", "X01_P3"]
    pairs = Counter()
    for plate in plates:
        roles = Counter(content.role for content in plate.wells.values())
        assert roles["treatment"] == 80 and roles["titration"] == 5 and roles["untreated"] == 2
        assert min(roles["negative_control"], roles["positive_control"]) >= 6
        assert all(0 < row < 15 and 0 < column < 23 for row, column in plate.wells)
        own = {c.treatment for c in plate.wells.values() if c.role == "treatment"}
        assert len(own) == 8
        for (_, column), content in plate.wells.items():
            if content.role == "treatment":
                pairs[content.treatment, content.concentration] += 1
                half = 1 if column < 12 else 2
                assert abs(content.replicate - half) == 0 or 9 <= column <= 14
    assert set(pairs.values()) == {2} and len(pairs) == 120


def test_controls_are_spread_over_the_plate():
    plate = screen_plates("X01", panel(1), ScreenDesign(), seed=1)[0]
    columns = [c for (_, c), content in plate.wells.items() if "control" in content.role]
    assert min(columns) < 6 and max(columns) > 17


def test_contents_that_do_not_fit_are_refused():
    with pytest.raises(ExvivoError, match=r"do not fit.*\n.*at most 60 wells"):
        control_plate("X", seed=1, plate_format=96, negative=40, positive=40)
    with pytest.raises(ExvivoError, match="no such plate format"):
        control_plate("X", seed=1, plate_format=100)


# plates as files


@pytest.mark.parametrize("style", ["database", "export"])
def test_the_librarys_reader_understands_a_plate(tmp_path, style):
    folder = simulate(tmp_path / "P1", style=style, sites=2, waves=2)
    instrument = get_instrument("imagexpress")
    listing, expected = instrument.list_files(folder), instrument.expected(folder)
    keys = {file.key for file in listing.files}
    wells = {file.well for file in listing.files}
    assert len(wells) == 4 and len(listing.files) == 4 * 2 * 2 * 4 == len(keys)
    assert {key[1:] for key in keys} == {
        (site, wave, plane) for site in (1, 2) for wave in "12" for plane in (-1, 0, 1, 2)
    }
    assert set(expected.wells) == wells
    assert (expected.fields, expected.channels, expected.planes) == (2, ("1", "2"), 3)
    assert not listing.unrecognised and not listing.ignored


def test_images_are_16_bit_uncompressed_and_the_projection_is_their_maximum(plate):
    files = get_instrument("imagexpress").list_files(plate).files
    for well in {file.well for file in files}:
        stack = {f.plane: tifffile.imread(plate / f.path) for f in files if f.well == well}
        np.testing.assert_array_equal(stack[-1], np.max([stack[0], stack[1], stack[2]], axis=0))
        assert stack[0].dtype == np.uint16 and stack[0].shape == (48, 48)
    with tifffile.TiffFile(plate / files[0].path) as tiff:
        page = tiff.pages[0]
        assert page.compression == 1 and page.rowsperstrip == 16
        assert "spatial-calibration-x" in page.description
        assert f"{SCREEN_SCENE.optics.field / 48:.4f}" in page.description


def test_a_single_plane_has_no_zstep_folder(tmp_path):
    folder = simulate(tmp_path / "P1", planes=1)
    assert not list(folder.rglob("ZStep*"))
    assert {file.plane for file in get_instrument("imagexpress").list_files(folder).files} == {0}


def test_compression_is_passed_on(tmp_path):
    folder = simulate(tmp_path / "P1", compression="lzw", wells=2)
    with tifffile.TiffFile(faults.images_of(folder)[0]) as tiff:
        assert tiff.pages[0].compression == 5


def test_a_plate_is_at_rest_since_long_ago(plate):
    from time import time

    assert max(path.stat().st_mtime for path in [plate, *plate.rglob("*")]) < time() - 86400


def test_workers_do_not_change_files_and_one_well_can_be_rendered_alone(tmp_path):
    design = control_plate("P1", seed=3, plate_format=96, negative=7, positive=7)
    imaging = Imaging(32, 2)
    jobs = [PlateJob(design, SCREEN_SCENE, imaging, tmp_path / str(n), 3) for n in (1, 2)]
    for job, workers in zip(jobs, (1, 2), strict=True):
        write_plates([job], workers)
    assert digests(tmp_path / "1") == digests(tmp_path / "2")
    place, content = next(iter(design.wells.items()))
    alone = render_well(
        SCREEN_SCENE, content.state, imaging, seed=3, plate="P1", place=Place(*place, 8, 12)
    )
    written = tifffile.imread(jobs[0].writer().path(*place, 0, 0, 1))
    np.testing.assert_array_equal(written, alone[1])


def test_large_images_come_from_templates_but_no_plane_is_a_copy(tmp_path):
    simulate(tmp_path / "P1", wells=2, image_size=600, planes=2, projection=False)
    images = [tifffile.imread(path) for path in faults.images_of(tmp_path / "P1")]
    assert len(images) == 4 and images[0].shape == (600, 600)
    assert len({image.tobytes() for image in images}) == 4
    assert np.percentile(images[0], 99.9) > 2 * np.median(images[0])


def test_another_simulations_images_are_not_mixed_in(plate):
    before = digests(plate)
    simulate(plate)  # the same again is all right
    assert digests(plate) == before
    with pytest.raises(PlateError, match="another simulation"):
        simulate(plate, seed=2)
    assert digests(plate) == before


# screens


def test_sheets_and_config_are_valid_and_point_to_plates(facility):
    config = load_config(yaml.safe_load((facility / "config/config.yaml").read_text()))
    sheets = read_sheets(config, facility)
    assert set(sheets.screens) == {"LINE01", "DEMO01", "DEMO02"}
    assert sheets.screens["DEMO02"].training_screen == "LINE01"
    assert sheets.screens["DEMO01"].readouts[0] == "viability_phase2"
    assert sheets.screens["DEMO01"].readouts[-2:] == ("mean_of_stack", "metabolic")
    for plate in sheets.plates.values():
        assert (facility / config["data_root"] / plate.path).exists()
    assert len(sheets.plates) == 1 + 2 * 2 * 2


def test_layouts_agree_with_the_truth_well_by_well(facility):
    truth = {(row["plate"], row["well"]): row for row in table(facility / "truth/wells.tsv")}
    for screen in ("LINE01", "DEMO01", "DEMO02"):
        layout = read_layout(facility / f"config/layouts/{screen}.tsv")
        for row in layout.itertuples():
            own = truth.pop((f"{screen}_{row.layout_plate}", row.well))
            assert own["role"] == row.role and own["treatment"] == row.treatment
            dose = float(own["concentration"]) if own["concentration"] else np.nan
            assert dose == row.concentration or (np.isnan(dose) and np.isnan(row.concentration))
    assert not truth


def test_truth_of_wells_follows_the_truth_of_drugs(facility):
    drugs = {(row["screen"], row["drug"]): row for row in table(facility / "truth/drugs.tsv")}
    assert len(drugs) == 8
    seen = 0
    for row in table(facility / "truth/wells.tsv"):
        if row["role"] != "treatment":
            continue
        drug = drugs[row["plate"].split("_")[0], row["treatment"]]
        b, t, m, k, s = (float(drug[n]) for n in ("bottom", "top", "x_mid", "slope", "asymmetry"))
        x = np.log10(float(row["concentration"]))
        inhibition = b + (t - b) / (1 + 10 ** (k * (m - x))) ** s
        assert float(row["viability"]) == pytest.approx(1 - inhibition, abs=2e-6)
        assert (drug["hit"] == "True") == (float(drug["dss_asym"]) > 10)
        seen += 1
    assert seen == 2 * 4 * 3 * 2


def test_parameters_are_written_beside_the_truth(facility):
    content = json.loads((facility / "truth/parameters.json").read_text())
    assert content["seed"] == 5
    assert content["scenes"]["screen"]["stain"]["well_cv"] == SCREEN_SCENE.stain.well_cv


def test_only_pseudonyms(facility):
    for row in table(facility / "config/samples.tsv"):
        assert row["sample"][0] == "S" and row["patient"][0] == "P"
        assert (row["sample"] + row["patient"]).replace("S", "").replace("P", "").isdigit()


def test_plate_reader_files_read_back_as_viability(facility):
    from exvivo.readouts.reader import read_plate_reader

    frame = read_plate_reader(facility / "raw/reader/DEMO01_P1.txt", "P1", "DEMO01_P1_MET")
    counts = frame.set_index("well")["value"]
    truth = {r["well"]: r for r in table(facility / "truth/wells.tsv") if r["plate"] == "DEMO01_P1"}
    assert len(counts) == 96
    viability = np.array([float(truth[well]["viability"]) for well in truth])
    found = counts.loc[list(truth)].to_numpy() / 1400
    assert np.corrcoef(viability, found)[0, 1] > 0.98
    assert counts.drop(list(truth)).max() < 20


def test_screens_of_a_facility_differ(facility):
    rows = table(facility / "truth/drugs.tsv")
    mids = [[row["x_mid"] for row in rows if row["screen"] == s] for s in ("DEMO01", "DEMO02")]
    assert mids[0] != mids[1]


def test_an_interrupted_simulation_leaves_no_config(tmp_path, monkeypatch):
    (tmp_path / "raw/LINE01_P1/x").mkdir(parents=True)
    (tmp_path / "raw/LINE01_P1/x/other_B02.tif").write_bytes(b"")
    with pytest.raises(PlateError):
        simulate_screen(tmp_path, 1, replace(PLAN, screens=1), workers=1)
    assert not (tmp_path / "config/config.yaml").exists()


# comparison


def scores_of(facility, change=lambda score: score):
    rows = [r for r in table(facility / "truth/drugs.tsv") if r["screen"] == "DEMO01"]
    return {row["drug"]: change(float(row["dss_asym"])) for row in rows}


@pytest.mark.parametrize("first, second, expected", [
    ([1, 2, 3, 4], [10, 20, 30, 40], 1.0),
    ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
    ([0, 0, 1, 2], [0, 0, 5, 9], 1.0),
    ([1, 2, 3], [5, 5, 5], 0.0),
])  # fmt: skip
def test_spearman_of_known_ranks(first, second, expected):
    assert spearman(np.array(first, float), np.array(second, float)) == pytest.approx(expected)


def test_comparison_needs_a_truth(tmp_path):
    with pytest.raises(StoreError, match="no truth"):
        compare_screens(tmp_path)


def test_comparison_counts_hits_and_drugs_without_a_score(facility, monkeypatch):
    import pandas as pd

    from exvivo.simulate import compare

    truth = scores_of(facility)
    best = max(truth, key=truth.get)
    frame = pd.DataFrame(
        {
            "readout": "mean_of_stack",
            "treatment": list(truth),
            "dss_asym": [np.nan if drug == best else score for drug, score in truth.items()],
            "hit": [drug != best and score > 10 for drug, score in truth.items()],
            "hit_published": [drug != best and score > 10 for drug, score in truth.items()],
        }
    )
    monkeypatch.setattr(compare, "read_scores", lambda path: frame)
    found = compare_screens(facility)[0]
    hits = sum(score > 10 for score in truth.values())
    assert (found.drugs, found.hits, found.precision) == (4, hits, 1.0)
    assert found.recall == pytest.approx((hits - 1) / hits)
    assert found.spearman < 0.9
    assert "mean_of_stack" in render([found])
    monkeypatch.setattr(compare, "read_scores", lambda path: frame.iloc[1:])
    with pytest.raises(StoreError, match="the scores lack drugs"):
        compare_screens(facility)


# faults


def wells_of(plate):
    return sorted({file.well for file in get_instrument("imagexpress").list_files(plate).files})


def test_missing_plane_and_half_copied_plate(plate):
    well = wells_of(plate)[0]
    gone = faults.remove_plane(plate, well, 1)
    assert len(gone) == 1 and not gone[0].exists()
    assert len(faults.images_of(plate, well)) == 3
    faults.half_copy(plate)
    left = wells_of(plate)
    assert well in left and len(left) in (2, 3)
    with pytest.raises(PlateError, match="no such image"):
        faults.remove_plane(plate, "H12", 0)


def test_truncated_and_resized_images(plate):
    well = wells_of(plate)[1]
    (path,) = faults.truncate_image(plate, well, 0)
    with pytest.raises((ValueError, tifffile.TiffFileError)):
        tifffile.imread(path)
    (path,) = faults.resize_image(plate, well, 2, 40)
    assert tifffile.imread(path).shape == (40, 40)


def test_empty_well_has_background_only_and_a_matching_projection(plate):
    well = wells_of(plate)[0]
    before = {path: tifffile.imread(path) for path in faults.images_of(plate, well)}
    faults.empty_well(plate, well)
    stack = [tifffile.imread(p) for p in faults.images_of(plate, well)]
    assert all(after.max() < before[path].max() for path, after in zip(before, stack, strict=True))
    np.testing.assert_array_equal(stack[0], np.max(stack[1:], axis=0))


def test_repeated_planes_are_copies_byte_by_byte(plate):
    well = wells_of(plate)[0]
    faults.repeat_planes(plate, well)
    assert len({path.read_bytes() for path in faults.images_of(plate, well)}) == 1


def test_layouts_swapped_turned_and_shifted(facility, tmp_path):
    source = facility / "config/layouts/LINE01.tsv"
    before = read_layout(source).set_index("well")["role"]
    copy = tmp_path / "layout.tsv"

    def changed(change):
        copy.write_bytes(source.read_bytes())
        change(copy)
        return read_layout(copy).set_index("well")["role"]

    negative, positive = (
        before.index[before == f"{n}_control"][0] for n in ("negative", "positive")
    )
    swapped = changed(lambda path: faults.swap_wells(path, negative, positive))
    assert (swapped[negative], swapped[positive]) == ("positive_control", "negative_control")
    turned = changed(lambda path: faults.rotate_layout(path, 96))
    assert {
        f"{'ABCDEFGH'[7 - 'ABCDEFGH'.index(w[0])]}{13 - int(w[1:]):02d}" for w in before.index
    } == set(turned.index)
    shifted = changed(lambda path: faults.shift_layout(path, 1))
    assert {f"{w[0]}{int(w[1:]) + 1:02d}": role for w, role in before.items()} == dict(shifted)


def test_viability_beyond_its_range_is_taken_as_its_end():
    place = Place(1, 1, 8, 12)
    images = [
        render_well(SCREEN_SCENE, WellState(v), Imaging(32, 1), seed=1, plate="P", place=place)
        for v in (1.0, 1.4)
    ]
    np.testing.assert_array_equal(*images)
