"""Look inside the network for many samples: where solvent-treated cells of all samples lie in its latent space, and why it calls them.

Outputs
    `cells` (Parquet)      a row per cell: sample, class, map, cluster, axes of the latent space
    `tables` (JSON)        variance of the axes, similarities, tests of grouping, neighbourhoods, clusters, occlusion
    `similarity` (SVG)     similarities of the samples' classes, in the order of their tree
    `map` (SVG)            the map by class, sample and cluster, and made of the cells
"""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd

from exvivo.cells.pan import by_sample, read_sets
from exvivo.embedding.atlas import make_atlas
from exvivo.embedding.maps import dot_image, kind_colours, thumbnail_image
from exvivo.embedding.occlusion import occlude
from exvivo.errors import ScoringError, TrainingError
from exvivo.figures.cellmap import cell_maps
from exvivo.figures.clustered import Side, clustered
from exvivo.figures.save import sentence
from exvivo.files import replacing, write_json, write_text
from exvivo.log import start_script
from exvivo.morphology.models import call_arrays, load_cell_model, skipped_cells
from exvivo.training.devices import prepare, resolve_device

log = logging.getLogger("map_cells")
OCCLUDED = 25  # cells of each class whose calls are taken apart
LIMIT = 4.0  # log2 where the colours of similarities end


def main(*, files, model, labels, seed, device, threads, cells, tables, similarity, figure):
    """Write tables and figures; what cannot be made says so in its place."""
    try:
        if why := skipped_cells(model):
            raise TrainingError(
                f"there is no network: {why}", expected="a trained one", where="map of cells"
            )
        data, device = read_sets(files).data, resolve_device(device, allow_cpu=device != "cuda")
        prepare(device, threads)
        loaded = load_cell_model(model, device)
        given = (loaded.module, loaded.scale, data.crops, data.size)
        features = call_arrays(*given, device=device).features
        samples = np.asarray(data.groups, dtype=object)
        atlas = make_atlas(features, samples, data.cancer, labels, seed=seed)
    except (TrainingError, ScoringError) as error:  # too little to look at; damage is an error
        log.warning("no map: %s", error.problem)
        text = sentence(f"No map of cells: {error.problem}").standalone()
        write_text(similarity, text)
        write_text(figure, text)
        write_json(tables, {"problem": error.problem})
        _write(pd.DataFrame({"sample": [], "class": []}, dtype=str), cells)
        return
    _write(atlas.cells, cells)
    write_text(similarity, _similarities(atlas, labels).standalone())
    write_text(figure, _map(atlas, data.crops).standalone())
    write_json(tables, _tables(atlas, occlusion(loaded, data, seed, device), loaded))


def _write(frame, path):
    with replacing(path) as partial:
        frame.to_parquet(partial, index=False)


def occlusion(model, data, seed, device):
    """Median and variance of the occlusion maps of some cells of each class, by channel."""
    rng, rows = np.random.default_rng([seed, 12]), []
    for label in (False, True):
        own = np.flatnonzero(data.cancer == label)
        rows.append(np.sort(rng.choice(own, min(OCCLUDED, len(own)), replace=False)))
    chosen = np.concatenate(rows)
    found = occlude(model.module, model.scale, data.crops[chosen], data.size, device=device)
    return found, data.cancer[chosen]


def _similarities(atlas, labels):
    alike = atlas.similarity
    if alike is None:
        return sentence("Similarities need at least two samples")
    tree = atlas.tree
    names = labels.get("diagnosis", {})
    side = Side(alike.names, [names.get(s, "") for s in alike.samples], tree.order, tree.steps)
    text = f"Similarity of {len(alike.names)} groups of cells, in the order of their tree."
    columns = replace(side, labels=[""] * len(alike.names))  # of one colour a diagnosis, not two
    name = "log2 of found over expected"
    return clustered(alike.dms, side, columns, limit=LIMIT, value_name=name, text=text)


def _map(atlas, crops):
    drawn = atlas.cells["x"].notna().to_numpy()
    cells, crops = atlas.cells[drawn], crops[drawn]
    places, panels = cells[["x", "y"]].to_numpy(), []
    for title, column in (("class", "class"), ("sample", "sample"), ("cluster", "cluster")):
        colours, legend = kind_colours(list(cells[column]))
        panels.append((title, dot_image(places, colours), dict(sorted(legend.items()))))
    panels.append(("the cells themselves", thumbnail_image(places, crops[:, :2]), {}))
    return cell_maps(panels, cells=len(places))


def _tables(atlas, occluded, model):
    found, cancer = occluded
    by_channel = [
        {
            "channel": name,
            "class": kind,
            "cells": int(own.sum()),
            "median": float(found.median[own, i].mean()),
            "variance": float(found.variance[own, i].mean()),
        }
        for i, name in enumerate(model.crops.channels)
        for kind, own in (("cancer", cancer), ("healthy", ~cancer))
    ]
    alike = atlas.similarity
    similar = {"names": alike.names, "dms": _numbers(alike.dms)} if alike else None
    return {
        "variance": atlas.share.tolist(),
        "similarity": similar,
        "grouping": _records(atlas.tests),
        "neighbours": _records(atlas.neighbours),
        "clusters": _records(atlas.fractions.rename(columns=str).reset_index()),
        "occlusion": by_channel,
    }


def _records(frame):
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def _numbers(values):
    return [[float(v) if np.isfinite(v) else None for v in row] for row in values]


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        files=by_sample(snakemake.params.samples, snakemake.input.cells),
        model=snakemake.input.model,
        labels=snakemake.params.labels,
        seed=snakemake.params.seed,
        device=snakemake.resources.device,
        threads=snakemake.threads,
        cells=snakemake.output.cells,
        tables=snakemake.output.tables,
        similarity=snakemake.output.similarity,
        figure=snakemake.output.map,
    )
