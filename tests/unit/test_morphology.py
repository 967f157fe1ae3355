"""Networks for cells: turns that move and do not change, splits, training that is repeatable and resumes, models."""

import json

import numpy as np
import pytest
import torch

from cells_made import SIZE, STORED, make_cells
from exvivo.crops import CropReader, CropSettings, CropsWriter, open_crops
from exvivo.errors import ConfigError, StoreError, TrainingError
from exvivo.files import write_json
from exvivo.morphology.augment import draw_turns, grids, turn, turned_probability
from exvivo.morphology.data import CellSet, Scale, balance, centre, split_cells, split_groups
from exvivo.morphology.models import call_crops, load_cell_model, save_cell_model
from exvivo.morphology.recipe import OURS, PUBLISHED, CellRecipe, cell_recipe
from exvivo.morphology.training import train_cells
from exvivo.wells.store import done_path

FAST = {"epochs": 6, "batch_size": 50, "learning_rate": 0.02}
CROPS = CropSettings(size=SIZE, margin=5, pixel_um=0)


def parts(split):
    return [split.train, split.validation, split.test]


# -- recipe --------------------------------------------------------------------------------------------


def test_the_published_recipe():
    recipe = cell_recipe("mcnn")
    assert (recipe.epochs, recipe.batch_size, recipe.learning_rate) == (30, 250, 1e-4)
    assert (recipe.momentum, recipe.l2, recipe.validation, recipe.test) == (0.9, 0.005, 0.2, 0.1)
    assert cell_recipe("resnet", pan=True).batch_size == 2000 and recipe.origin == PUBLISHED


def test_departures_are_called_ours_and_typing_errors_refused():
    assert cell_recipe("mcnn", changes={"epochs": 30}).origin == PUBLISHED
    assert cell_recipe("mcnn", changes=FAST).origin == OURS
    with pytest.raises(ConfigError, match=r"learning_rat\b"):
        cell_recipe("mcnn", changes={"learning_rat": 1})
    with pytest.raises(ConfigError, match="no network"):
        CellRecipe(epochs=0)


# -- turns ---------------------------------------------------------------------------------------------


def test_quarter_turns_and_flips_move_pixels_and_change_none():
    crops = torch.rand(1, 2, STORED, STORED, generator=torch.Generator().manual_seed(0))
    inner = torch.from_numpy(centre(crops.numpy(), SIZE))[0]
    grid = grids(STORED, SIZE)
    found = [turn(crops, torch.tensor([n]), grid)[0] for n in range(0, 16, 2)]
    wanted = [torch.rot90(m, k, (1, 2)) for m in (inner, inner.flip(2)) for k in range(4)]
    for one in found:
        assert any(torch.allclose(one, other, atol=1e-5) for other in wanted)
    assert torch.allclose(found[0], inner, atol=1e-5)
    assert len({tuple(f.flatten()[:40].round(decimals=3).tolist()) for f in found}) == 8


def test_eighth_turns_of_a_round_cell_change_little_and_reach_no_edge():
    y, x = torch.meshgrid(*[torch.arange(STORED) - (STORED - 1) / 2] * 2, indexing="ij")
    crops = torch.exp(-(x**2 + y**2) / 40)[None, None]
    grid = grids(STORED, SIZE)
    upright = turn(crops, torch.tensor([0]), grid)
    for n in range(1, 16, 2):
        assert torch.allclose(turn(crops, torch.tensor([n]), grid), upright, atol=0.02)
    assert grid.abs().max() < 1  # the margin suffices


def test_without_a_margin_corners_are_mirrored():
    found = turn(torch.ones(1, 1, SIZE, SIZE), torch.tensor([1]), grids(SIZE, SIZE))
    assert torch.allclose(found, torch.ones_like(found))


def test_turns_depend_on_seed_and_epoch_alone_and_are_even():
    order, turns = draw_turns(0, 1, 16_000)
    assert (draw_turns(0, 1, 16_000)[1] == turns).all() and (
        draw_turns(0, 2, 16_000)[1] != turns
    ).any()
    assert sorted(order) == list(range(16_000))
    assert np.bincount(turns, minlength=16).min() > 800


# -- data ----------------------------------------------------------------------------------------------


def test_cells_are_held_out_once_in_equal_shares():
    cancer = np.random.default_rng(0).random(1000) < 0.3
    split = split_cells(cancer, 0.2, 0.1, seed=0)
    assert sorted(np.concatenate(parts(split))) == list(range(1000))
    assert [len(p) for p in parts(split)] == pytest.approx([700, 200, 100], abs=1)
    assert [cancer[p].mean() for p in parts(split)] == pytest.approx([cancer.mean()] * 3, abs=0.01)


def test_whole_patients_are_held_out():
    data, _ = make_cells(300, groups=("A", "B", "C"))
    split = split_groups(data.cancer, data.groups, ["B"], 0.2, seed=0)
    names = np.asarray(data.groups)
    assert set(names[split.test]) == {"B"} and "B" not in set(names[split.train]) | set(
        names[split.validation]
    )
    assert split.by == "group" and sum(map(len, parts(split))) == 300
    for held_out in ([], ["A", "B", "C"], ["X"]):
        with pytest.raises(TrainingError, match="held out"):
            split_groups(data.cancer, data.groups, held_out, 0.2, seed=0)


def test_balance_within_each_sample():
    cancer = np.array([True] * 50 + [False] * 10 + [True] * 30 + [False] * 30)
    groups = ["A"] * 60 + ["B"] * 60
    rows = balance(cancer, groups, 20, seed=0)
    assert [cancer[rows[rows < 60]].sum(), (~cancer[rows[rows < 60]]).sum()] == [10, 10]
    assert [cancer[rows[rows >= 60]].sum(), (~cancer[rows[rows >= 60]]).sum()] == [20, 20]


def test_one_class_cannot_be_trained_on():
    with pytest.raises(TrainingError, match="both classes"):
        split_cells(np.ones(100, bool), 0.2, 0.1, seed=0)


def test_flat_channels_and_misfits_are_refused():
    data, _ = make_cells(20)
    flat = data.crops.copy()
    flat[:, 1] = 7
    with pytest.raises(TrainingError, match="flat"):
        Scale.of(flat, SIZE)
    with pytest.raises(TrainingError, match="do not fit"):
        CellSet(data.crops, data.cancer[:5], data.groups, SIZE)


# -- training ------------------------------------------------------------------------------------------


def trained(data, recipe, **how):
    split = split_cells(data.cancer, recipe.validation, recipe.test, seed=0)
    return train_cells(data, split, recipe, **how), split


@pytest.mark.parametrize("network", ["mcnn", "resnet"])
def test_a_network_sees_through_wrong_labels(network):
    data, truth = make_cells(800, wrong=0.15)
    recipe = cell_recipe(network, changes=FAST)
    result, split = trained(data, recipe)
    model = call(result, data, network)
    right = ((model > 0.5) == truth)[split.test].mean()
    assert right > 0.95 > (data.cancer == truth).mean()
    assert result.record["metrics"]["test"]["accuracy"] < right  # against labels that are wrong
    assert [r["epoch"] for r in result.history if r["split"] == "train"] == list(range(1, 7))


def call(result, data, network):
    from exvivo.morphology.models import CellModel

    model = CellModel(result.module, network, CROPS, result.scale)
    inner = torch.from_numpy(np.ascontiguousarray(centre(data.crops, SIZE))).float()
    mean, sd = (torch.tensor(v).view(1, -1, 1, 1) for v in (model.scale.mean, model.scale.sd))
    with torch.inference_mode():
        return model.module((inner - mean) / sd).softmax(1)[:, 1].numpy()


def weights(result):
    return {name: t.clone() for name, t in result.module.state_dict().items()}


def equal(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_equal_seeds_give_equal_weights_and_others_do_not():
    data, _ = make_cells(150)
    recipe = cell_recipe("mcnn", changes=FAST | {"epochs": 2})
    one, again, other = (weights(trained(data, recipe, seed=s)[0]) for s in (0, 0, 1))
    assert equal(one, again) and not equal(one, other)


@pytest.mark.parametrize("average", [0, 3])
def test_a_killed_run_goes_on_and_ends_the_same(average, tmp_path, monkeypatch):
    from exvivo.morphology import training

    data, _ = make_cells(150)
    recipe = cell_recipe("mcnn", changes=FAST | {"epochs": 4, "average": average})
    whole = weights(trained(data, recipe)[0])
    epochs = training._Loop._epoch

    def killed(self, epoch):
        if epoch == 3:
            raise KeyboardInterrupt
        epochs(self, epoch)

    monkeypatch.setattr(training._Loop, "_epoch", killed)
    how = {"checkpoints": tmp_path / "c", "checkpoint_seconds": 0.0}
    with pytest.raises(KeyboardInterrupt):
        trained(data, recipe, **how)
    seen = []
    monkeypatch.setattr(training._Loop, "_epoch", lambda self, e: (seen.append(e), epochs(self, e)))
    result, _ = trained(data, recipe, **how)
    assert seen == [3, 4] and equal(whole, weights(result)) and len(result.history) == 8


def test_weights_of_the_last_epochs_are_averaged():
    data, _ = make_cells(100)
    how = FAST | {"epochs": 2}
    last, averaged, first = (
        trained(data, cell_recipe("mcnn", changes=how | changes))[0].module.state_dict()
        for changes in ({"average": 1}, {"average": 2}, {"epochs": 1})
    )
    name = "classifier.weight"
    assert torch.allclose(averaged[name], (first[name] + last[name]) / 2, atol=1e-6)
    with pytest.raises(ConfigError, match="no more epochs averaged"):
        CellRecipe(epochs=3, average=4)


def test_checkpoints_of_other_data_are_not_used(tmp_path):
    how = {"checkpoints": tmp_path / "c", "checkpoint_seconds": 0.0}
    recipe = cell_recipe("mcnn", changes=FAST | {"epochs": 2})
    trained(make_cells(150)[0], recipe, **how)
    other = make_cells(150, seed=5)[0]
    assert equal(weights(trained(other, recipe, **how)[0]), weights(trained(other, recipe)[0]))


def test_a_training_that_diverges_says_so():
    data, _ = make_cells(150)
    with pytest.raises(TrainingError, match="diverged"):
        trained(data, cell_recipe("resnet", changes=FAST | {"learning_rate": 1e30}))


def test_training_goes_on_from_another_network():
    data, _ = make_cells(150)
    recipe = cell_recipe("mcnn", changes=FAST | {"epochs": 1})
    first, split = trained(data, recipe)
    more = train_cells(data, split, recipe, model=first.module, scale=first.scale)
    assert more.record["start"] != "random" and more.record["scale"] == first.record["scale"]


def test_a_call_over_all_turns_does_not_depend_on_how_a_cell_lies():
    from exvivo.networks.cells import build_cell_network

    network = build_cell_network("mcnn", seed=1).eval()
    crops = torch.rand(3, 2, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    own = turned_probability(network, crops, SIZE)
    lain = turned_probability(network, torch.rot90(crops, 1, (2, 3)).flip(2), SIZE)
    assert torch.allclose(own, lain, atol=1e-5) and own.shape == (3,)
    plain = [network(c).softmax(1)[:, 1] for c in (crops, torch.rot90(crops, 1, (2, 3)))]
    assert not torch.allclose(*plain, atol=1e-4)


# -- models --------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    data, _ = make_cells(150)
    result, _ = trained(data, cell_recipe("mcnn", changes=FAST | {"epochs": 1}))
    save_cell_model(tmp_path / "m.safetensors", result, "mcnn", CROPS, {"sample": "S1"})
    return tmp_path / "m.safetensors", data, result


def reader(path, crops, settings=CROPS):
    writer = CropsWriter(path, "P1", settings, len(crops))
    writer.append(crops)
    digest = writer.close()
    write_json(done_path(path), {"verdict": "admitted", "digest": digest, "crops": len(crops)})
    return CropReader([open_crops(path)])


def test_a_saved_model_calls_cells_as_before_in_any_batches(saved, tmp_path):
    path, data, result = saved
    model = load_cell_model(path)
    expected = call(result, data, "mcnn")
    cells = reader(tmp_path / "crops.zarr", data.crops)
    for batch in (7, 4096):
        found = call_crops(model, cells, batch_size=batch, with_features=True)
        assert found.cancer == pytest.approx(expected, abs=1e-5)
        assert found.features.shape == (150, 64)
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["sample"] == "S1" and record["metrics"]["test"]["accuracy"] <= 1


def test_crops_of_another_kind_are_refused(saved, tmp_path):
    path, data, _ = saved
    other = CropSettings(size=SIZE, margin=5, pixel_um=2.6)
    with pytest.raises(StoreError, match=r"found: 20 px of 2\.6 µm"):
        call_crops(load_cell_model(path), reader(tmp_path / "c.zarr", data.crops, other))


def test_damaged_and_foreign_models_are_refused(saved, tmp_path):
    path, _, _ = saved
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(StoreError, match="cannot read this model"):
        load_cell_model(path)
    with pytest.raises(StoreError, match="cannot read this model"):
        load_cell_model(tmp_path / "none.safetensors")
