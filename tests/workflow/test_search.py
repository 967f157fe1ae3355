"""An architecture search as jobs of the workflow: parts, then the ranked table and the plot."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cells_made import make_cells
from exvivo.morphology.data import CellSet
from exvivo.morphology.sets import save_cell_set
from runs import Workflow

CONFIG = """\
plates: config/plates.tsv
training: {device: cpu}
search: {nets: 3, nets_a_job: 2, epochs: 1, batch_size: 20, learning_rate: 0.01}
"""
PLATES = "plate\tscreen\tpath\tinstrument\tlayout\nX01_P1\tX01\tx.txt\treader\tlayouts/x.tsv\n"


def test_parts_and_ranking(pytestconfig, tmp_path):
    workflow = Workflow(pytestconfig.rootpath, tmp_path)
    config = workflow.work / "config"
    (config / "config.yaml").write_text(CONFIG)
    (config / "plates.tsv").write_text(PLATES)
    (config / "screens.tsv").write_text("screen\tkind\treadouts\nX01\tdrug\tmetabolic\n")
    made, _ = make_cells(60, seed=3, contrast=2.0)
    small = made.crops[:, :, 1:-1, 1:-1].reshape(60, 2, 14, 2, 14, 2).mean((3, 5))
    data = CellSet(small.astype(np.uint16), made.cancer, made.groups, 12)
    save_cell_set(workflow.work / "results/search/cells.safetensors", data)
    done = workflow.snakemake("results/search/nets.tsv")
    output = done.stdout + done.stderr
    assert output.count("rule search_networks:") == 2  # two parts, two nets at most in each
    nets = pd.read_csv(workflow.work / "results/search/nets.tsv", sep="\t")
    assert sorted(nets["net"]) == [-1, 0, 1, 2] and nets["chosen"].sum() == 1
    assert "<svg" in (workflow.work / "results/search/pareto.svg").read_text()
    assert not list((workflow.work / "results/search").glob("*.jsonl"))
    again = workflow.snakemake("results/search/nets.tsv", "-n")
    assert "Nothing to be done" in again.stdout + again.stderr
