"""Inside the network: planted structure is found, worked examples come out, nothing depends on how cells are cut up."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from exvivo.embedding import atlas, draw_rows, enrichment, fit_space, similarity
from exvivo.embedding.clusters import fractions, spectral_clusters
from exvivo.embedding.grouping import correlation_distance, grouping_test, tree_of
from exvivo.embedding.maps import (
    dot_image,
    kind_colours,
    thumbnail_image,
    tsne_map,
    value_colours,
)
from exvivo.embedding.neighbours import nearest
from exvivo.embedding.occlusion import occlude
from exvivo.embedding.similarity import nearest_of_others
from exvivo.errors import ScoringError
from exvivo.morphology.data import Scale


def planted(samples=6, per_group=60, seed=0):
    """Cells in 5 dimensions: cancer cells of a diagnosis lie together, healthy ones of a lamp do."""
    rng = np.random.default_rng(seed)
    centres = {name: rng.normal(0, 6, 5) for name in ("A", "B", "lamp 1", "lamp 2")}
    points, table = [], []
    for number in range(samples):
        diagnosis, lamp = "AB"[number % 2], f"lamp {1 + number // (samples // 2)}"
        for cancer in (True, False):
            centre = centres[diagnosis if cancer else lamp] + rng.normal(0, 0.3, 5)
            points.append(rng.normal(centre, 1, (per_group, 5)))
            table += [(f"S{number}", cancer, diagnosis, lamp)] * per_group
    sample, cancer, diagnosis, lamp = map(np.asarray, zip(*table, strict=True))
    return SimpleNamespace(
        points=np.concatenate(points), sample=sample, cancer=cancer, diagnosis=diagnosis, lamp=lamp
    )


@pytest.fixture(scope="module")
def cells():
    return planted()


# -- latent space ----------------------------------------------------------------------------------------


def test_axes_do_not_depend_on_the_batches_and_hold_the_variance():
    rng = np.random.default_rng(1)
    values = rng.normal(0, [9, 4, 2, 1, 0.5, 0.1], (700, 6)) @ np.linalg.qr(rng.normal(size=(6, 6)))[0] + 50  # fmt: skip
    whole = fit_space([values], 3)
    parts = fit_space(np.split(values, [1, 60, 400]), 3)
    assert np.allclose(whole.axes, parts.axes) and np.allclose(whole.mean, parts.mean)
    assert whole.share.sum() == pytest.approx(values_share(values, 3))
    found = whole(values)
    assert found.shape == (700, 3) and np.allclose(found.mean(0), 0, atol=1e-4)
    assert np.allclose(found.var(0, ddof=1), whole.variance, rtol=1e-4)
    assert (whole.axes[np.arange(3), np.abs(whole.axes).argmax(1)] > 0).all()


def values_share(values, components):
    singular = np.linalg.svd(values - values.mean(0), compute_uv=False) ** 2
    return singular[:components].sum() / singular.sum()


def test_too_few_or_missing_activations_are_refused():
    with pytest.raises(ScoringError, match="too few cells"):
        fit_space([np.ones((3, 30))])
    with pytest.raises(ScoringError, match="activations are missing"):
        fit_space([np.full((40, 2), np.nan)], 1)


def test_cells_are_drawn_from_solvent_wells_of_each_sample_and_class():
    rng = np.random.default_rng(0)
    samples = rng.choice(["S1", "S2"], 4000)
    cancer, solvent = rng.random(4000) < 0.5, rng.random(4000) < 0.4
    rows = draw_rows(samples, cancer, solvent, per_group=100)
    assert solvent[rows].all() and len(set(rows)) == 400
    groups = {(samples[row], bool(cancer[row])) for row in rows}
    assert len(groups) == 4
    assert (rows == draw_rows(samples, cancer, solvent, per_group=100)).all()
    assert len(draw_rows(samples, cancer, solvent & cancer, per_group=9999)) == (solvent & cancer).sum()  # fmt: skip


# -- similarity ------------------------------------------------------------------------------------------


def test_similar_groups_find_each_other_and_the_own_sample_is_left_out(cells):
    names = np.where(cells.cancer, "cancer", "healthy")
    found = similarity(cells.points, cells.sample, names)
    place = {name: number for number, name in enumerate(found.names)}
    dms = found.dms
    assert np.allclose(dms, dms.T, equal_nan=True)
    assert np.isnan(dms[place["S0 cancer"], place["S0 healthy"]]) and np.isnan(dms[0, 0])
    assert dms[place["S0 cancer"], place["S2 cancer"]] > 1.5  # both diagnosis A
    assert dms[place["S0 cancer"], place["S1 cancer"]] < -1
    assert dms[place["S0 healthy"], place["S1 healthy"]] > 1.5  # one lamp
    assert dms[place["S0 healthy"], place["S5 healthy"]] < -1
    assert found.observed.sum() == len(cells.points)
    assert found.expected.sum(axis=1) == pytest.approx(np.full(12, 60.0))
    with pytest.raises(ScoringError, match="other samples"):
        similarity(cells.points[:20], ["S1"] * 20, names[:20])


def test_the_nearest_of_another_sample_is_that_of_all_distances(cells):
    rows = slice(0, 300)
    codes = np.unique(cells.sample[rows], return_inverse=True)[1]
    found = nearest_of_others(cells.points[rows], codes)
    distance = ((cells.points[rows][:, None] - cells.points[rows][None]) ** 2).sum(-1)
    distance[codes[:, None] == codes[None]] = np.inf
    chosen = distance[np.arange(300), found]
    assert np.allclose(chosen, distance.min(axis=1), rtol=1e-4)


# -- trees and tests ---------------------------------------------------------------------------------------


def test_trees_group_by_what_was_planted(cells):
    names = np.where(cells.cancer, "cancer", "healthy")
    found = similarity(cells.points, cells.sample, names)
    cancer = [n for n, name in enumerate(found.names) if name.endswith("cancer")]
    tree = tree_of(correlation_distance(found.dms[cancer]))
    diagnosis = [str(cells.diagnosis[cells.sample == found.samples[n]][0]) for n in cancer]
    lamps = [str(cells.lamp[cells.sample == found.samples[n]][0]) for n in cancer]
    by_diagnosis, by_lamp = (grouping_test(x, tree.order) for x in (diagnosis, lamps))
    assert by_diagnosis.equal == 4 and by_diagnosis.neighbours == 5  # two runs of three
    assert by_diagnosis.p_permuted < 0.15 < by_lamp.p_permuted


def test_the_published_order_of_magnitude_of_a_grouping():
    """86 of 107 neighbouring leaves share a label where 62.8 are expected: p 1.3e-6 (specs of the published data)."""
    from scipy.stats import hypergeom

    pairs, same = 108 * 107 // 2, 3391
    assert 107 * same / pairs == pytest.approx(62.8, abs=0.05)
    assert hypergeom.sf(85, pairs, same, 107) == pytest.approx(1.3e-6, rel=0.1)


def test_random_labels_are_not_significant_and_blocks_are():
    rng = np.random.default_rng(4)
    order = list(range(40))
    p = [grouping_test(rng.choice(["a", "b", "c"], 40), order, permutations=300).p_permuted for _ in range(60)]  # fmt: skip
    assert 0.3 < np.mean(p) < 0.75 and np.mean(np.array(p) < 0.05) < 0.2
    blocks = grouping_test(["a"] * 20 + ["b"] * 20, order)
    assert blocks.equal == 38 and blocks.p < 1e-5 and blocks.p_permuted < 0.001
    assert grouping_test(["a", "", "a", "b"], [0, 1, 2, 3]).leaves == 3
    assert np.isnan(grouping_test(["a"] * 5, range(5)).p)


def test_distances_over_what_both_have():
    rows = np.array([[1, 2, 3, 4, np.nan], [2, 4, 6, 8, 0], [4, 3, 2, 1, 0], [1, np.nan, np.nan, np.nan, 1]])  # fmt: skip
    distance = correlation_distance(rows)
    assert distance[0, 1] == pytest.approx(0) and distance[0, 2] == pytest.approx(2)
    assert distance[0, 3] == 1 and (np.diag(distance) == 0).all()
    assert tree_of(distance[:1, :1]).order == [0]


# -- neighbourhoods ------------------------------------------------------------------------------------------


def test_enrichment_where_planted_and_nowhere_else(cells):
    kinds = np.char.add(cells.diagnosis, np.where(cells.cancer, " cancer", " healthy"))
    found = enrichment(cells.points, kinds, k=30)
    assert (found.count.sum(axis=1) == 30).all()
    column = found.kinds.index("A cancer")
    inside = kinds == "A cancer"
    assert np.median(found.log10_p[inside, column]) < -8
    assert np.median(found.fold[inside, column]) > 3
    assert (found.log10_p[kinds == "B cancer", column] == 0).mean() > 0.95
    mixed = enrichment(np.random.default_rng(1).normal(size=(600, 5)), kinds[:600], k=30)
    assert (mixed.log10_p < np.log10(0.05)).mean() < 0.01
    with pytest.raises(ScoringError, match="too few cells"):
        enrichment(cells.points[:20], kinds[:20], k=30)


def test_a_cell_is_not_its_own_neighbour_even_among_equal_ones():
    points = np.zeros((50, 3))
    points[25:] = 1
    for rows, found in nearest(points, 10):
        own = np.arange(rows.start, rows.stop)
        assert found.shape == (50, 10) and not (found == own[:, None]).any()
        assert ((found < 25) == (own < 25)[:, None]).all()


# -- clusters and maps -----------------------------------------------------------------------------------------


def test_clusters_are_those_planted_and_fractions_follow(cells):
    four = np.char.add(np.where(cells.cancer, cells.diagnosis, cells.lamp), "")
    for landmarks in (4000, 300):
        found = spectral_clusters(cells.points, 4, landmarks=landmarks)
        pure = [np.unique(four[found == c], return_counts=True)[1].max() for c in range(4)]
        assert sum(pure) / len(found) > 0.97
        sizes = np.bincount(found)
        assert (np.diff(sizes) <= 0).all()
    table = fractions(found, cells.sample)
    assert table.shape == (6, 4) and np.allclose(table.sum(axis=1), 1)
    distance = correlation_distance(table.to_numpy())
    assert distance[0, 2] < 0.1 < distance[0, 5]  # same diagnosis and lamp; neither
    with pytest.raises(ScoringError, match="too few cells"):
        spectral_clusters(cells.points[:30], 4)


def test_maps_keep_neighbours_together_and_images_show_them(cells):
    rows = np.arange(0, len(cells.points), 3)
    places = tsne_map(cells.points[rows], perplexity=30, seed=1)
    again = [set(n) for _, part in nearest(places, 10) for n in part]
    kinds = np.where(cells.cancer, cells.diagnosis, cells.lamp)[rows]
    same = [np.mean(kinds[list(n)] == kind) for n, kind in zip(again, kinds, strict=True)]
    assert np.mean(same) > 0.95
    colours, legend = kind_colours(kinds)
    image = dot_image(places, colours, 120)
    assert image.shape == (120, 120, 3) and len(legend) == 4
    seen = {tuple(c) for c in image.reshape(-1, 3)} - {(255, 255, 255)}
    assert seen == {tuple(c) for c in np.unique(colours, axis=0)}
    shades = value_colours(np.array([0.0, 5, 10, np.nan]), 0, 10)
    assert shades[0].sum() > shades[1].sum() > shades[2].sum() and (shades[3] == shades[0]).all()


def test_thumbnails_stand_at_their_cells():
    crops = np.zeros((3, 2, 8, 8), np.uint16)
    crops[0, 0] = 100  # DAPI everywhere in the first
    crops[:, 1, :4] = 50
    places = np.array([[0.0, 0.0], [1.0, 1.0], [1.0, 0.0]])
    image = thumbnail_image(places, crops, tiles=2, tile=9)
    assert image.shape == (18, 18, 3)
    first = image[9:17, :8].astype(int)  # lower left
    assert (first[..., 2] > first[..., 0] + 100).all()
    assert (image[:9, :9] == 255).all()  # upper left has no cell
    assert len(np.unique(image[:8, 9:17])) == 2


# -- occlusion -------------------------------------------------------------------------------------------------


class _Corner(nn.Module):
    """Calls a cell cancer by the mean of one pixel of the first channel."""

    def forward(self, images):
        value = images[:, 0, 3, 4]
        return torch.stack([-value, value], dim=1)


def test_only_squares_over_the_pixel_that_counts_matter():
    crops = np.full((2, 2, 14, 14), 100.0)
    crops[0, 0, 5, 6] = 110.0  # row 3, column 4 of the inner ten
    crops[1, 0, 5, 6] = 90.0
    scale = Scale((100.0, 100.0), (10.0, 10.0))
    found = occlude(_Corner(), scale, crops, 10)
    assert found.maps.shape == (2, 2, 10, 10)
    chance = 1 / (1 + np.exp(-2))
    assert found.cancer == pytest.approx([chance, 1 - chance], abs=1e-5)
    wanted = np.zeros((10, 10))
    wanted[1:6, 2:7] = chance - 0.5  # either call loses what the pixel gave
    for cell in (0, 1):
        assert np.allclose(found.maps[cell, 0], wanted, atol=1e-5)
        assert np.allclose(found.maps[cell, 1], 0)
    assert found.median[0, 0] == 0 and found.variance[0, 0] == pytest.approx(wanted.var(), rel=1e-4)
    corner = occlude(_Corner(), scale, crops, 10, square=9)
    assert (
        np.count_nonzero(corner.maps[0, 0]) == 8 * 9
    )  # rows 0..7 and columns 0..8: clipped at the border


# -- all of it ---------------------------------------------------------------------------------------------


def test_an_atlas_finds_what_was_planted_and_maps_no_more_cells_than_it_may(cells, monkeypatch):
    monkeypatch.setattr(atlas, "MAPPED", 200)
    labels = {
        "diagnosis": dict(zip(cells.sample, cells.diagnosis, strict=True)),
        "imaging": dict(zip(cells.sample, cells.lamp, strict=True)),
    }
    found = atlas.make_atlas(cells.points, cells.sample.astype(object), cells.cancer, labels)
    assert len(found.cells) == len(cells.points) and found.cells["x"].notna().sum() == 200
    assert list(found.tests["label"]) == ["class", "diagnosis", "imaging"]
    assert found.tests.set_index("label").loc["class", "p_permuted"] < 0.05
    assert (found.neighbours.set_index("kind")["fold"] > 1.2).all()
    assert np.allclose(found.fractions.sum(axis=1), 1)
