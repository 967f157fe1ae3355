"""Architecture search: nets of the published space, valid ones only, trained in parts that survive kills, ranked."""

import time
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from cells_made import make_cells
from exvivo.errors import StoreError
from exvivo.figures.pareto import pareto
from exvivo.morphology import search
from exvivo.morphology.data import CellSet, split_cells
from exvivo.morphology.ranking import pareto_front, rank
from exvivo.morphology.search import (
    Candidate,
    as_table,
    chunks,
    draw_candidate,
    reference,
    search_chunk,
    search_recipe,
    try_candidate,
)
from exvivo.morphology.sets import load_cell_set, save_cell_set
from exvivo.networks.bodies import SPACE, Layer, check_in_space, is_valid
from exvivo.tables import SEARCH, read_table, write_table

TINY = search_recipe(epochs=2, batch_size=40, learning_rate=0.02)
NETS = 200


@pytest.fixture(scope="module")
def cells():
    """120 cells of 10 pixels: nets are cheap, and every layer type still fits."""
    made, _ = make_cells(120, seed=3, contrast=2.0)
    small = made.crops[:, :, 1:-1, 1:-1].reshape(120, 2, 14, 2, 14, 2).mean((3, 5))
    data = CellSet(small.astype(np.uint16), made.cancer, made.groups, 10)
    return data, split_cells(data.cancer, 0.2, 0.1, 0)


@pytest.fixture(scope="module")
def searched(cells, tmp_path_factory) -> tuple[pd.DataFrame, float]:
    folder, tables = tmp_path_factory.mktemp("search"), []
    start = time.process_time()
    for place, numbers in enumerate(chunks(NETS, 70)):
        kept = folder / f"{place}.jsonl"
        tables.append(search_chunk(numbers, *cells, TINY, kept=kept, max_layers=8))
    return pd.concat(tables, ignore_index=True), time.process_time() - start


def test_candidates_are_valid_in_the_published_space_and_independent():
    drawn = [draw_candidate(5, number) for number in range(300)]
    for candidate in drawn:
        check_in_space(candidate.layers)
        assert is_valid(candidate.layers) and 1 <= len(candidate.layers) <= 25
    assert drawn[17] == draw_candidate(5, 17) != draw_candidate(6, 17)
    assert {layer.kind for c in drawn for layer in c.layers} == set(SPACE)
    assert sum(c.discarded for c in drawn) > len(drawn)  # most draws do not fit


def test_two_hundred_nets(searched, tmp_path):
    nets, seconds = searched
    assert list(nets["net"]) == list(range(NETS)) and nets["layers"].nunique() > 150
    trained = nets["train_accuracy"].notna()
    assert trained.mean() > 0.9 and (nets.loc[~trained, "reason"] != "").all()
    assert nets["train_accuracy"].max() > 0.9 > 0.65 > nets["train_accuracy"].min()
    assert (nets["weights"] > 0).all() and (nets["seconds"] > 0).all()
    write_table(nets, tmp_path / "nets.parquet", SEARCH)
    assert read_table(tmp_path / "nets.parquet", SEARCH).equals(nets)
    print(f"{NETS} nets in {seconds:.0f} s of processor time")


def test_a_killed_job_goes_on_where_it_was(cells, searched, tmp_path, monkeypatch):
    kept, numbers = tmp_path / "part" / "nets.jsonl", list(range(6))
    first = search_chunk(numbers[:4], *cells, TINY, kept=kept, max_layers=8)
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:3]) + "\n" + lines[3][:40])  # killed while it wrote the fourth
    trained = []
    monkeypatch.setattr(
        search,
        "try_candidate",
        lambda candidate, *a, **k: (
            trained.append(candidate.number) or try_candidate(candidate, *a, **k)
        ),
    )
    again = search_chunk(numbers, *cells, TINY, kept=kept, max_layers=8)
    assert trained == [3, 4, 5]
    stable = [name for name in SEARCH.names if name != "seconds"]
    assert again.iloc[:4][stable].equals(first[stable])
    assert again.iloc[:3]["seconds"].equals(first.iloc[:3]["seconds"])
    assert again[stable].equals(searched[0].iloc[:6][stable])


def test_nets_of_another_search_are_not_taken(cells, tmp_path):
    kept = tmp_path / "nets.jsonl"
    first = search_chunk([0, 1], *cells, TINY, kept=kept, max_layers=8)
    other = search_chunk(
        [0, 1], *cells, search_recipe(epochs=1, batch_size=40), kept=kept, max_layers=8
    )
    assert len(kept.read_text().splitlines()) == 4
    assert not first["train_accuracy"].equals(other["train_accuracy"])
    kept.write_text("[1, 2]\n")
    with pytest.raises(StoreError, match="no list of finished nets"):
        search_chunk([0], *cells, TINY, kept=kept, max_layers=8)


def test_a_net_that_diverges_does_not_end_the_search(cells):
    layers = (Layer("dense", {"nodes": 50}), Layer("dense", {"nodes": 50}))
    wild = search_recipe(epochs=6, batch_size=10, learning_rate=1e6)
    row = try_candidate(Candidate(0, layers), *cells, wild)
    assert "diverged" in row["reason"] and row["train_accuracy"] is None
    table = rank(as_table([row]))
    assert not table["front"].any() and not table["chosen"].any()


def test_ranking_front_and_choice():
    nets = pd.DataFrame(
        {
            "net": [0, 1, 2, 3, 4, 5],
            "train_accuracy": [0.90, 0.88, 0.86, 0.80, 0.88, np.nan],
            "seconds": [10.0, 2.0, 9.0, 1.0, 3.0, 0.1],
            "weights": [100, 50, 10, 5, 60, 1],
        }
    )
    found = rank(nets)
    assert list(found["net"]) == [0, 1, 4, 2, 3, 5]
    assert set(found.loc[found["front"], "net"]) == {0, 1, 2, 3}  # 4 is beaten by 1
    assert list(found.loc[found["chosen"], "net"]) == [
        2
    ]  # 90 against 100 and 1000; 3 is too far off


def test_the_front_is_that_of_all_comparisons():
    rng = np.random.default_rng(2)
    nets = pd.DataFrame(
        {
            "net": range(300),
            "train_accuracy": rng.uniform(0.5, 1, 300).round(2),
            "seconds": rng.integers(1, 30, 300),
            "weights": rng.integers(1, 30, 300),
        }
    )
    ranked = rank(nets)
    values = ranked[["train_accuracy", "seconds", "weights"]].to_numpy() * [-1, 1, 1]
    beaten = [((values <= v).all(1) & (values < v).any(1)).any() for v in values]
    twins = ranked.duplicated(["train_accuracy", "seconds", "weights"])
    assert list(pareto_front(ranked)) == [
        not b and not t for b, t in zip(beaten, twins, strict=True)
    ]


def test_plot_of_the_search(searched, cells):
    own = as_table([{**reference_row(), "net": -1}])
    ranked = rank(pd.concat([searched[0], own], ignore_index=True))
    figure = pareto(ranked)
    root = ElementTree.fromstring(figure.standalone())
    dots = [e for e in root.iter() if "dot" in (e.get("class") or "").split()]
    shown = int(ranked["train_accuracy"].notna().sum())
    assert len(dots) == 2 * shown
    assert sum("hit" in e.get("class").split() for e in dots) == 2
    with pytest.raises(ValueError, match="nothing to draw"):
        pareto(ranked.assign(train_accuracy=np.nan))


def reference_row() -> dict:
    """mCNN as it stands beside the nets of a search; trained once, on few cells."""
    made, _ = make_cells(40, seed=1, contrast=2.0)
    split = split_cells(made.cancer, 0.2, 0.1, 0)
    row = reference(made, split, search_recipe(epochs=1, batch_size=20))
    assert row["net"] == -1
    assert 150_000 < row["weights"] < 180_000
    return row


def test_sets_of_cells_as_files(cells, tmp_path):
    data, _ = cells
    save_cell_set(tmp_path / "cells.safetensors", data)
    again = load_cell_set(tmp_path / "cells.safetensors")
    assert again.digest() == data.digest()
    (tmp_path / "cells.safetensors").write_bytes(b"nonsense")
    with pytest.raises(StoreError, match="cannot read this set"):
        load_cell_set(tmp_path / "cells.safetensors")


def test_parts_cover_all_nets_once():
    assert chunks(5, 2) == [[0, 1], [2, 3], [4]] and chunks(0, 2) == []
    assert [n for part in chunks(291_800, 2000) for n in part] == list(range(291_800))
