"""Whole phases on made-up wells whose answer is known: what is written, learned, refused."""

from __future__ import annotations

import json
import logging
import os

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from exvivo.errors import DeviceError, StoreError, TrainingError
from exvivo.files import digest_file
from exvivo.networks import recipe
from exvivo.networks.tensorfiles import save_tensors
from exvivo.networks.weights import write_imagenet
from exvivo.training.crossfit import assign_folds, crossfit
from exvivo.training.data import controls_data
from exvivo.training.devices import resolve_device
from exvivo.training.inference import Prediction, average_fields, predict, range_flags
from exvivo.training.metrics import MINIMUM_LOSS
from exvivo.training.models import (
    load_model,
    read_history,
    save_skipped,
    skipped_reason,
)
from exvivo.training.phases import Run, train_phase, train_phase1, train_phase2, train_phase3

CPU = Run(device="cpu")


def wells(count):
    return [f"{'ABCDEFGH'[i // 12]}{i % 12 + 1:02d}" for i in range(count)]


def screen(count=24, plates=2, size=32, seed=0):
    """Controls whose class shows as texture: fine for the negative, coarse for the positive control."""
    generator = np.random.default_rng(seed)
    labels = [i % 2 for i in range(count)]
    images = np.empty((count, 2, size, size), dtype=np.float32)
    for i, label in enumerate(labels):
        images[i] = texture(generator, label, size)
    names = [f"P{1 + i * plates // count}" for i in range(count)]
    return images, labels, names, wells(count)


def texture(generator, viability, size):
    fine = generator.random((2, size, size))
    coarse = np.kron(generator.random((2, size // 8, size // 8)), np.ones((8, 8)))
    return (0.5 * (viability * fine + (1 - viability) * coarse)).astype(np.float32)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Phases I and II of the small network, trained once for the tests below."""
    folder = tmp_path_factory.mktemp("models")
    write_imagenet("small", folder / "imagenet.safetensors")
    one = train_phase1(
        *screen(seed=1),
        recipe=recipe("small", "phase1", {"learning_rate": 3e-3}),
        out=folder / "phase1.safetensors",
        start=folder / "imagenet.safetensors",
        run=CPU,
    )
    two = train_phase2(
        *screen(seed=2),
        recipe=recipe("small", "phase2"),
        out=folder / "phase2.safetensors",
        start=folder / "phase1.safetensors",
        run=CPU,
    )
    return folder, one, two


def test_phases_learn_and_say_so(trained):
    folder, _, two = trained
    images, labels, _, _ = screen(seed=9)  # wells that no phase has seen
    found = predict(folder / "phase2.safetensors", images, device="cpu")
    assert (found.viability[np.array(labels) == 1] > 0.6).all()
    assert (found.viability[np.array(labels) == 0] < 0.4).all()
    assert found.features.shape == (24, 128)
    assert found.features.dtype == np.float32
    assert two["metrics"]["train"]["loss"] < 0.57
    assert two["metrics"]["train"]["accuracy"] > 0.9


def test_the_loss_never_falls_below_what_smoothing_allows(trained):
    folder, _, _ = trained
    rows = read_history(folder / "phase1.safetensors") + read_history(folder / "phase2.safetensors")
    assert min(row["loss"] for row in rows) >= MINIMUM_LOSS - 1e-6


def test_history_has_one_row_per_epoch_and_split(trained):
    folder, _, _ = trained
    rows = read_history(folder / "phase2.safetensors")
    assert [(r["epoch"], r["split"]) for r in rows[:3]] == [
        (1, "train"),
        (1, "validation"),
        (2, "train"),
    ]
    epochs = recipe("small", "phase2").epochs
    assert len(rows) == 2 * epochs
    assert {r["images"] for r in rows} == {20, 4}
    assert all(0 <= r["auroc"] <= 1 for r in rows)
    header = (folder / "phase2_history.tsv").read_text().splitlines()[0]
    assert header == "epoch\tsplit\timages\tloss\taccuracy\tauroc"


def test_sidecar_says_how_the_model_came_about(trained):
    folder, _, two = trained
    sidecar = json.loads((folder / "phase2.json").read_text())
    assert sidecar == {**two, "sha256": digest_file(folder / "phase2.safetensors")}
    assert sidecar["start"] == digest_file(folder / "phase1.safetensors")
    assert sidecar["recipe"]["network"] == "small"
    assert sidecar["recipe"]["origin"] == "ours"
    assert sidecar["counts"] == {"train": 20, "validation": 4}
    assert sidecar["split"]["validation"] == [
        ["P1", "A01"],
        ["P1", "A02"],
        ["P2", "B01"],
        ["P2", "B02"],
    ]
    assert sidecar["epoch"] == sidecar["recipe"]["epochs"]
    assert sidecar["torch"] == torch.__version__
    assert sidecar["device"].startswith("device cpu")
    umask = os.umask(0)
    os.umask(umask)
    assert (folder / "phase2.safetensors").stat().st_mode & 0o777 == 0o666 & ~umask
    for key in ("run", "code", "data"):
        assert len(sidecar[key]) == 64


def test_the_screens_own_intensity_scale_goes_with_the_model(trained):
    """A screen twice as dim gives the same numbers once trained on itself."""
    folder, _, _ = trained
    bright = load_model(folder / "phase2.safetensors").preprocessing
    images, labels, plates, names = screen(seed=2)
    train_phase2(
        images / 2, labels, plates, names,
        recipe=recipe("small", "phase2"), out=folder / "dim.safetensors",
        start=folder / "phase1.safetensors", run=CPU,
    )  # fmt: skip
    dim = load_model(folder / "dim.safetensors").preprocessing
    assert dim.gain == pytest.approx(2 * bright.gain, rel=1e-5)
    np.testing.assert_allclose(
        predict(folder / "dim.safetensors", images / 2, device="cpu").viability,
        predict(folder / "phase2.safetensors", images, device="cpu").viability,
        atol=0.02,
    )


def test_published_recipe_divides_by_the_data_type_alone(tmp_path):
    settings = recipe("small", "phase2", {"intensity_scale": "dtype", "offset": 0.5, "epochs": 1})
    train_phase2(*screen(), recipe=settings, out=tmp_path / "m.safetensors", run=CPU)
    rule = load_model(tmp_path / "m.safetensors").preprocessing
    assert (rule.gain, rule.offset) == (1.0, 0.5)


def test_phase3_trains_on_exchanged_labels(trained, tmp_path):
    folder, _, _ = trained
    images, labels, plates, names = screen(seed=4)
    generator = np.random.default_rng(5)
    drugs = np.stack([texture(generator, v, 32) for v in (0.9, 0.9, 0.1, 0.1, 0.5)])
    pictures = np.concatenate([images, drugs])
    viability = predict(folder / "phase2.safetensors", pictures, device="cpu").viability
    sidecar = train_phase3(
        pictures,
        labels + [None] * 5,
        [None] * 24 + ["a", "a", "b", "b", "c"],
        viability,
        plates + ["P1"] * 5,
        [*names, "H01", "H02", "H03", "H04", "H05"],
        recipe=recipe("small", "phase3", {"epochs": 2}),
        out=tmp_path / "phase3.safetensors",
        start=folder / "phase2.safetensors",
        run=CPU,
    )
    assert sidecar["counts"] == {"train": 28, "validation": 0}
    assert sidecar["left_out"] == [
        ["P1", "H05", "no duplicate of this treatment and concentration"]
    ]
    rows = read_history(tmp_path / "phase3.safetensors")
    assert [row["split"] for row in rows] == ["train", "train"]
    assert rows[0]["auroc"] is None


def test_best_validation_keeps_an_earlier_epoch(tmp_path):
    settings = recipe(
        "small", "phase2", {"epoch": "best_validation", "epochs": 12, "learning_rate": 5e-3}
    )
    out = tmp_path / "best.safetensors"
    sidecar = train_phase2(*screen(), recipe=settings, out=out, run=CPU)
    losses = {r["epoch"]: r["loss"] for r in read_history(out) if r["split"] == "validation"}
    assert sidecar["epoch"] == min(losses, key=losses.get)
    images, labels, plates, names = screen()
    data = controls_data(2, images, labels, plates, names, per_class=1)
    found = predict(out, images[data.validation], device="cpu").viability
    targets = 0.2 + 0.6 * data.validation_targets[:, 1]
    loss = -(targets * np.log(found) + (1 - targets) * np.log(1 - found)).mean()
    assert loss == pytest.approx(losses[sidecar["epoch"]], abs=1e-5)


def test_best_validation_without_validation_wells_is_refused(tmp_path):
    settings = recipe("small", "phase2", {"epoch": "best_validation", "epochs": 1})
    images, labels, _, _ = screen(2, plates=1)
    with pytest.raises(TrainingError, match="no validation wells"):
        train_phase2(
            images, labels, ["P", "P"], ["A01", "A02"],
            recipe=settings, out=tmp_path / "m.safetensors", run=CPU,
        )  # fmt: skip


def test_a_training_that_diverges_is_an_error_not_a_model(tmp_path):
    settings = recipe("small", "phase2", {"learning_rate": 1e30, "epochs": 5})
    with pytest.raises(TrainingError, match="diverged"):
        train_phase2(*screen(), recipe=settings, out=tmp_path / "m.safetensors", run=CPU)
    assert not (tmp_path / "m.safetensors").exists()


def test_black_controls_are_refused(tmp_path):
    images, labels, plates, names = screen()
    with pytest.raises(TrainingError, match="black"):
        train_phase2(
            0 * images, labels, plates, names,
            recipe=recipe("small", "phase2"), out=tmp_path / "m.safetensors", run=CPU,
        )  # fmt: skip


def test_start_of_another_network_is_refused(trained, tmp_path):
    folder, _, _ = trained
    with pytest.raises(TrainingError, match="another network"):
        train_phase2(
            *screen(),
            recipe=recipe("efficientnet_lite0", "phase2"),
            out=tmp_path / "m.safetensors",
            start=folder / "phase1.safetensors",
            run=CPU,
        )


def test_recipe_of_another_phase_is_refused(tmp_path):
    data = controls_data(2, *screen())
    with pytest.raises(TrainingError, match="another phase"):
        train_phase(data, recipe("small", "phase1"), tmp_path / "m.safetensors", run=CPU)


def test_images_are_averaged_down_to_the_recipes_input(tmp_path):
    settings = recipe("small", "phase2", {"input_size": 16, "epochs": 1})
    out = tmp_path / "m.safetensors"
    train_phase2(*screen(), recipe=settings, out=out, run=CPU)
    assert load_model(out).input_size == 16
    images = screen()[0]
    halved = images.reshape(24, 2, 16, 2, 16, 2).mean((3, 5))
    np.testing.assert_allclose(
        predict(out, images, device="cpu").viability,
        predict(out, halved, device="cpu").viability,
        atol=1e-5,
    )
    with pytest.raises(TrainingError, match="smaller than the recipe's input"):
        predict(out, images[:, :, :8, :8], device="cpu")


# Model files


def test_a_skipped_model_keeps_its_reason(tmp_path):
    path = tmp_path / "phase3.safetensors"
    save_skipped(path, "no duplicates")
    assert skipped_reason(path) == "no duplicates"
    assert json.loads((tmp_path / "phase3.json").read_text())["skipped"] == "no duplicates"
    assert read_history(path) == []
    with pytest.raises(TrainingError, match="no duplicates"):
        predict(path, screen()[0], device="cpu")


def test_a_trained_model_is_not_skipped(trained):
    assert skipped_reason(trained[0] / "phase2.safetensors") is None


def test_damaged_foreign_and_start_files_are_no_models(trained, tmp_path):
    folder, _, _ = trained
    whole = (folder / "phase2.safetensors").read_bytes()
    (tmp_path / "half.safetensors").write_bytes(whole[: len(whole) // 2])
    save_file({"w": torch.zeros(2)}, tmp_path / "foreign.safetensors")
    metadata = {"format": "exvivo model 1", "network": "small", "phase": "2", "preprocessing": "{}"}
    save_tensors(tmp_path / "others.safetensors", {"w": torch.zeros(2)}, metadata)
    for name, message in [
        ("half", "cannot read this model"),
        ("foreign", "not a model of this version"),
        ("others", "do not fit the network"),
        ("missing", "cannot read this model"),
    ]:
        with pytest.raises(StoreError, match=message):
            load_model(tmp_path / f"{name}.safetensors")
    with pytest.raises(StoreError, match="not a trained model"):
        load_model(folder / "imagenet.safetensors")


# Inference


def test_values_that_training_cannot_produce_are_flagged():
    assert range_flags(np.array([0.1, 0.2, 0.5, 0.8, 0.81])) == (
        "out_of_range", "", "", "", "out_of_range",
    )  # fmt: skip


def test_a_well_is_the_mean_of_its_fields():
    each = Prediction(
        np.array([0.2, 0.9, 0.4]), np.array([[1, 0], [5, 5], [3, 4]], np.float32), ("",) * 3
    )
    pairs, found = average_fields(each, ["P", "P", "P"], ["B02", "B03", "B02"])
    assert pairs == [("P", "B02"), ("P", "B03")]
    np.testing.assert_allclose(found.viability, [0.3, 0.9])
    np.testing.assert_array_equal(found.features, [[2, 2], [5, 5]])
    assert found.flags == ("", "out_of_range")


def test_images_that_are_not_numbers_are_refused(trained):
    images = screen()[0]
    images[3, 0, 0, 0] = np.nan
    with pytest.raises(TrainingError, match="not images"):
        predict(trained[0] / "phase2.safetensors", images, device="cpu")


# Cross-fit


def test_folds_leave_one_plate_out():
    fold, scheme = assign_folds(
        [1, 0] * 3, ["P1", "P1", "P2", "P2", "P3", "P3"], ["A01", "A02"] * 3, 5
    )
    assert fold.tolist() == [0, 0, 1, 1, 2, 2]
    assert scheme == "leave one plate out"


def test_folds_on_one_plate_are_stratified_and_keep_fields_together():
    labels = [1] * 8 + [0] * 4
    twice = (labels * 2, ["P"] * 24, wells(12) * 2)
    fold, scheme = assign_folds(*twice, 3)
    assert scheme == "3 stratified folds"
    assert fold[:12].tolist() == fold[12:].tolist()
    for index in range(3):
        held = [label for label, f in zip(labels, fold, strict=False) if f == index]
        assert sorted(set(held)) == [0, 1]
        assert len(held) in (3, 4, 5)


def test_folds_when_one_plate_has_all_of_a_class():
    _, scheme = assign_folds([1, 1, 0, 0], ["P1", "P1", "P2", "P2"], wells(4), 3)
    assert scheme == "2 stratified folds"
    with pytest.raises(TrainingError, match="too few wells"):
        assign_folds([1, 1, 0], ["P", "P", "P"], wells(3), 3)


def test_crossfit_predicts_each_control_by_a_model_that_did_not_see_it(trained, tmp_path):
    folder, _, _ = trained
    images, labels, plates, names = screen(seed=6)
    how = {
        "recipe": recipe("small", "phase2"),
        "start": folder / "phase1.safetensors",
        "checkpoints": tmp_path / "folds",
        "run": CPU,
    }
    others = np.concatenate([images[5:7], screen(seed=7)[0][:3]])
    found = crossfit(images, labels, plates, names, others=others, **how)
    classes = np.array(labels)
    assert (found.viability[classes == 1] > 0.5).all()
    assert (found.viability[classes == 0] < 0.5).all()
    # by hand: the second plate, predicted by a model of the first
    first = [i for i, plate in enumerate(plates) if plate == "P1"]
    second = [i for i, plate in enumerate(plates) if plate == "P2"]
    data = controls_data(
        2, images[first], *([v[i] for i in first] for v in (labels, plates, names))
    )
    train_phase(data, how["recipe"], tmp_path / "m.safetensors", start=how["start"], run=CPU)
    by_hand = predict(tmp_path / "m.safetensors", images[second], device="cpu").viability
    np.testing.assert_array_equal(found.viability[second], by_hand)
    # and what both models say of other images
    assert found.others.shape == (2, 5)
    by_hand = predict(tmp_path / "m.safetensors", others, device="cpu").viability
    np.testing.assert_array_equal(found.others[found.fold[second[0]]], by_hand)
    # a second call reads the finished folds, and gives the same
    assert sorted(p.name for p in (tmp_path / "folds").iterdir()) == ["fold0.json", "fold1.json"]
    again = crossfit(images, labels, plates, names, others=others, **how)
    np.testing.assert_array_equal(again.viability, found.viability)
    np.testing.assert_array_equal(again.others, found.others)


def test_crossfit_with_shuffled_labels_finds_nothing(trained):
    """What makes the cross-fitted Z′ worth having: memorised wells do not count."""
    folder, _, _ = trained
    names = wells(24)
    noise = np.random.default_rng(3)
    same = np.stack([texture(noise, 0.5, 32) for _ in range(24)])
    labels = noise.permutation([0, 1] * 12).tolist()
    found = crossfit(
        same, labels, ["P"] * 24, names,
        recipe=recipe("small", "phase2", {"epochs": 5}), start=folder / "phase1.safetensors", run=CPU,
    ).viability  # fmt: skip
    classes = np.array(labels)
    assert abs(np.median(found[classes == 1]) - np.median(found[classes == 0])) < 0.15


# Devices


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_gpu_that_was_asked_for_and_is_not_there_is_an_error(caplog):
    for how in ({"name": "cuda"}, {"name": "auto", "gpu_requested": True}):
        with pytest.raises(DeviceError, match="allow_cpu: true"):
            resolve_device(**how)
        with caplog.at_level(logging.WARNING):
            assert resolve_device(**how, allow_cpu=True).type == "cpu"
        assert "running on the CPU, as allowed" in caplog.text
    assert resolve_device("auto").type == "cpu"
    assert resolve_device("cpu", gpu_requested=True).type == "cpu"
    with pytest.raises(DeviceError, match="tpu"):
        resolve_device("tpu")


def test_the_first_line_of_a_run_names_the_device(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        train_phase2(
            *screen(),
            recipe=recipe("small", "phase2", {"epochs": 1}),
            out=tmp_path / "m.safetensors",
            run=CPU,
        )
    first = caplog.records[0].getMessage()
    assert first.startswith("device cpu: ")
    assert "GiB" in first
