"""Single cells from the raw plate to readouts, on a simulated plate whose every cell is known."""

import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cells_screen import CROPS, MEANS, PLATE, cut, make_screen, true_classes
from exvivo.cells.calls import call_plate, model_for, read_calls
from exvivo.cells.choose import choose_marker
from exvivo.cells.count import READOUTS, count_cells
from exvivo.cells.label import Labels, label_cells
from exvivo.cells.learn import training_cells
from exvivo.cells.plot import plot_markers
from exvivo.crops import CropReader, open_crops
from exvivo.crops.plate import read_index
from exvivo.errors import StoreError, TrainingError
from exvivo.files import read_json, write_json
from exvivo.morphology.applicability import unlike
from exvivo.morphology.data import Scale, split_cells
from exvivo.morphology.models import (
    load_cell_model,
    save_cell_model,
    save_skipped_cells,
    start_weights,
)
from exvivo.morphology.recipe import cell_recipe
from exvivo.morphology.training import train_cells
from exvivo.segmentation import flag_cells, read_cells
from exvivo.sheets.names import CELL_READOUTS
from exvivo.simulate.cells import CellDesign
from exvivo.tables import READOUT, WELL_FLAGS, conform, write_table

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
DESIGN = CellDesign(samples=1, plates=1, drugs=4, solvent=4, fields=1, size=256, cells=300)


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    return make_screen(tmp_path_factory.mktemp("cells"), DESIGN)


@pytest.fixture(scope="module")
def cells(screen):
    return read_cells(screen.plates[0].table)


@pytest.fixture(scope="module")
def called(screen):
    """Calls of a small network, trained on the weak labels."""
    crops = {PLATE: (screen.folder / "crops.zarr", screen.folder / "crop_index.parquet")}
    data, kind = training_cells(
        screen.plates, crops, screen.labels, "CD34", per_class=600, sample="S001"
    )
    changes = {"epochs": 8, "learning_rate": 0.01, "batch_size": 40}
    recipe = cell_recipe("mcnn", changes=changes)
    trained = train_cells(data, split_cells(data.cancer, 0.1, 0.1, 0), recipe)
    model = screen.folder / "CD34.safetensors"
    save_cell_model(model, trained, "mcnn", kind)
    call_plate(crops[PLATE][0], crops[PLATE][1], model, screen.folder / "calls.parquet")
    return read_calls(screen.folder / "calls.parquet")


def count(screen, name, marker="CD34", calls=None, labels=None, min_cells=20):
    frame = count_cells(
        name, screen.plates, labels or screen.labels, marker, calls or {}, min_cells=min_cells
    )
    conform(frame, READOUT, where=name)
    return frame.set_index("well")["value"]


# -- segmentation and crops ------------------------------------------------------------------------


def test_nearly_all_cells_are_found_and_few_others(screen, cells):
    inner = cells[~cells["border"]]
    found = true_classes(inner, screen.truth)
    away = screen.truth[
        screen.truth[["y", "x"]].min(axis=1).gt(6) & screen.truth[["y", "x"]].max(axis=1).lt(249)
    ]
    assert found.notna().mean() > 0.9
    assert found.notna().sum() / len(away) > 0.85


def test_the_done_file_says_what_was_found(screen, cells):
    done = screen.plates[0].done
    assert done["verdict"] == "admitted" and done["cells"] == len(cells)
    assert done["pixel_um"] == pytest.approx(2.6) and done["shape"] == [256, 256]
    assert done["wells"] == list(dict.fromkeys(cells["well"]))


def test_crops_show_the_cells_of_the_table(screen, cells):
    store, index = (
        open_crops(screen.folder / "crops.zarr"),
        read_index(screen.folder / "crop_index.parquet"),
    )
    assert len(store) == len(index) < len(cells)
    assert store.settings == CROPS
    middle = store.read(0, len(store))[:, 0, 13:17, 13:17].mean((1, 2))
    stain = cells.iloc[index]["DAPI_nucleus"] + cells.iloc[index]["DAPI_ground"]
    assert np.corrcoef(middle, stain)[0, 1] > 0.75
    rest = cells.drop(index=index)
    assert (rest[["y", "x"]].min(axis=1).lt(10) | rest[["y", "x"]].max(axis=1).gt(245)).all()


def test_another_run_gives_the_same_crops(screen, tmp_path):
    cut(screen.root, screen.folder, tmp_path)
    first, second = (read_json(f / "crops.done.json")["digest"] for f in (screen.folder, tmp_path))
    assert first == second


# -- labels ----------------------------------------------------------------------------------------


def test_markers_find_about_the_cells_that_bear_them(screen, cells):
    labels = screen.labels
    assert labels.usable == ["CD34", "CD3"] and labels.problem == ""
    whole = cells[flag_cells(cells, labels.limits, "DAPI") == ""]
    truth = true_classes(whole, screen.truth)
    for marker, least in (("CD34", 0.74), ("CD3", 0.65)):
        calls = labels.is_cancer(marker, whole[marker].to_numpy())
        right = (calls == truth)[truth.notna()].mean()
        assert least < right < 0.93  # some labels are wrong by design


def test_labels_are_the_same_after_writing(screen, tmp_path):
    write_json(tmp_path / "labels.json", screen.labels.to_json())
    assert Labels.read(tmp_path / "labels.json") == screen.labels


def test_the_plot_has_a_panel_for_each_marker_and_says_why_one_is_not_used(screen):
    text = plot_markers(screen.labels, screen.seen)
    assert "CD34" in text and "CD3" in text and "threshold" in text
    refused = Labels("DAPI", markers=MEANS, refused={"CD34": "one population", "CD3": "x"})
    assert "not used: one population" in plot_markers(refused, {})


def test_without_solvent_wells_no_marker_labels_anything_and_the_reason_is_kept(screen):
    labels, _ = label_cells(screen.plates, set(), MEANS, stain="DAPI")
    assert labels.usable == [] and "too few cells" in labels.problem
    assert choose_marker(labels)["marker"] == ""
    assert count(screen, "marker_fraction", "", labels=labels).isna().all()
    assert (count(screen, "total_count", "", labels=labels) > 0).all()


# -- networks --------------------------------------------------------------------------------------


def test_the_network_sees_the_true_class_better_than_its_labels(screen, cells, called):
    rows = cells.iloc[called["row"]]
    whole = flag_cells(rows, screen.labels.limits, "DAPI") == ""
    truth = true_classes(rows, screen.truth)
    use = whole & truth.notna().to_numpy()
    true = truth[use].astype(bool).to_numpy()
    network = ((called["cancer"].to_numpy() >= 0.5)[use] == true).mean()
    weak = (screen.labels.is_cancer("CD34", rows["CD34"].to_numpy())[use] == true).mean()
    print(f"accuracy against the truth: network {network:.3f}, its labels {weak:.3f}")
    assert network > weak and network > 0.85


def test_too_few_cells_train_nothing(screen):
    crops = {PLATE: (screen.folder / "crops.zarr", screen.folder / "crop_index.parquet")}
    excluded = {(PLATE, ""): ["saturated"]}
    with pytest.raises(TrainingError, match="too few cells to learn from"):
        training_cells(
            screen.plates,
            crops,
            screen.labels,
            "CD34",
            per_class=100,
            sample="S",
            excluded=excluded,
        )


def test_the_marker_whose_network_trains_best_is_chosen(screen, tmp_path):
    for name, accuracy in (("CD34", 0.8), ("CD3", 0.9)):
        write_json(tmp_path / f"{name}.json", {"metrics": {"train": {"accuracy": accuracy}}})
    files = [tmp_path / "CD34.json", tmp_path / "CD3.json"]
    assert choose_marker(screen.labels, files)["marker"] == "CD3"
    write_json(files[1], {"skipped": "too few cells"})
    assert choose_marker(screen.labels, files)["marker"] == "CD34"
    assert choose_marker(screen.labels)["marker"] == "CD34"  # the first of the sheet


def test_a_network_that_was_not_trained_calls_nothing(screen, tmp_path):
    path = tmp_path / "CD34.safetensors"
    save_skipped_cells(path, "too few cells")
    assert model_for([path], "CD34") is None
    count_, _ = call_plate(
        screen.folder / "crops.zarr",
        screen.folder / "crop_index.parquet",
        None,
        tmp_path / "c.parquet",
    )
    assert count_ == 0
    values = count(screen, "morphology_fraction", calls={PLATE: read_calls(tmp_path / "c.parquet")})
    assert values.isna().all()


# -- readouts --------------------------------------------------------------------------------------


def test_every_readout_of_the_sheet_is_counted():
    assert set(READOUTS) == set(CELL_READOUTS)


def test_counts_and_fractions_fit_together(screen, called):
    calls = {PLATE: called}
    total = count(screen, "total_count")
    marked = count(screen, "marker_count")
    healthy = count(screen, "marker_healthy_count")
    assert (marked + healthy == total).all()
    assert np.allclose(count(screen, "marker_fraction"), marked / total)
    cancer, rest = (
        count(screen, "cancer_count", calls=calls),
        count(screen, "healthy_count", calls=calls),
    )
    assert (cancer + rest <= total).all() and (cancer + rest > 0.5 * total).all()
    fraction = count(screen, "morphology_fraction", calls=calls)
    assert np.allclose(fraction, cancer / (cancer + rest))


def test_a_well_with_few_cells_has_no_fraction(screen):
    frame = count_cells(
        "marker_fraction", screen.plates, screen.labels, "CD34", {}, min_cells=10**6
    )
    assert frame["value"].isna().all() and (frame["flag"] == "few_cells").all()


def test_exchanged_labels_keep_the_plates_share_and_no_more(screen):
    chance, real = count(screen, "random_fraction"), count(screen, "marker_fraction")
    total = count(screen, "total_count")
    assert (chance * total).sum() == pytest.approx((real * total).sum())
    assert chance.std() < real.std()


def test_a_drug_that_kills_all_shows_in_the_counts_and_one_that_strips_a_marker_in_the_marker_alone(
    screen, called
):
    drugs = pd.read_csv(screen.root / "truth" / "drugs.tsv", sep="\t").drop_duplicates("drug")
    kinds = dict(zip(drugs["drug"], drugs["kind"], strict=True))
    wells = screen.layout.assign(
        well=[
            f"{r}{c:02d}"
            for r, c in zip(screen.layout["row"], screen.layout["column"], strict=True)
        ]
    ).set_index("well")
    kind = wells["treatment"].map(kinds).fillna("solvent")
    high = wells["concentration"].ne(1000)

    def relative(values, of):
        own = values[kind.reindex(values.index).eq(of) & high.reindex(values.index)]
        return own.mean() / values[kind.reindex(values.index).eq("solvent")].mean()

    total, marked = count(screen, "total_count"), count(screen, "marker_fraction")
    morphology = count(screen, "morphology_fraction", calls={PLATE: called})
    assert relative(total, "kills_all") < 0.5 < 0.8 < relative(total, "inert")
    assert relative(marked, "strips_marker") < 0.8
    assert relative(morphology, "strips_marker") > 0.88
    assert relative(morphology, "selective") < 0.85


# -- released networks -----------------------------------------------------------------------------


def test_a_released_network_calls_plates_like_its_own_and_no_others(screen, called, tmp_path):
    crops, index = screen.folder / "crops.zarr", screen.folder / "crop_index.parquet"
    model = load_cell_model(screen.folder / "CD34.safetensors")
    same, _ = call_plate(crops, index, model, tmp_path / "a.parquet", released=True)
    assert same == len(called)
    brighter = Scale(tuple(2 * m for m in model.scale.mean), model.scale.sd)
    other = replace(model, scale=brighter)
    assert call_plate(crops, index, other, tmp_path / "b.parquet", released=True)[0] == 0
    assert unlike(other, CropReader([open_crops(crops)]))[0].startswith("DAPI: grey values")
    flat = replace(model, scale=Scale(model.scale.mean, tuple(3 * s for s in model.scale.sd)))
    assert len(unlike(flat, CropReader([open_crops(crops)]))) == 2


def test_a_network_for_other_crops_is_refused(screen, called):
    model = load_cell_model(screen.folder / "CD34.safetensors")
    other = replace(model, crops=replace(model.crops, pixel_um=1.3))
    with pytest.raises(StoreError, match="trained on crops of another kind"):
        unlike(other, CropReader([open_crops(screen.folder / "crops.zarr")]))


# -- transfer learning -----------------------------------------------------------------------------


@pytest.fixture
def further(screen, called, tmp_path):
    """The script of the rule, on the same cells, from a given start; one epoch from scratch teaches little."""
    main = runpy.run_path(str(SCRIPTS / "train_morphology.py"))["main"]
    labels, flags = tmp_path / "labels.json", tmp_path / "flags.parquet"
    write_json(labels, screen.labels.to_json())
    write_table(WELL_FLAGS.empty_table().to_pandas(), flags, WELL_FLAGS)
    crops = {PLATE: (screen.folder / "crops.zarr", screen.folder / "crop_index.parquet")}
    recipe = {"epochs": 1, "learning_rate": 1e-5, "batch_size": 40}

    def run(start, network="mcnn"):
        model = tmp_path / f"{network}.safetensors"
        settings = {"seed": 3, "per_class": 120, "recipe": recipe}
        main(
            plates=screen.plates,
            crops=crops,
            labels=labels,
            flags=[flags],
            marker="CD34",
            network=network,
            sample="S002",
            start=start,
            settings=settings,
            device="cpu",
            threads=1,
            model=model,
        )
        return read_json(model.with_suffix(".json"))

    return run


def test_a_training_goes_on_from_a_released_network(screen, further):
    own, begun = further([]), further([screen.folder / "CD34.safetensors"])
    assert own["start"] == "random" != begun["start"]
    assert begun["metrics"]["test"]["accuracy"] > own["metrics"]["test"]["accuracy"] + 0.1


def test_a_training_does_not_go_on_from_another_network_or_crops(screen, further, tmp_path):
    with pytest.raises(StoreError, match="another kind of network"):
        further([screen.folder / "CD34.safetensors"], "resnet")
    crops = replace(load_cell_model(screen.folder / "CD34.safetensors").crops, pixel_um=1.3)
    with pytest.raises(StoreError, match="crops of another kind"):
        start_weights(screen.folder / "CD34.safetensors", "mcnn", crops)
