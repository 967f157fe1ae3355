"""The simulated world: spheroids, optics, camera, drugs."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from exvivo.simulate.drugs import PANEL, POSITIVE_DOSE, STAUROSPORINE, Curve, panel
from exvivo.simulate.parameters import Faults, Imaging, WellState
from exvivo.simulate.phenotypes import PHENOTYPES
from exvivo.simulate.render import Place, draw_slabs, enlarge, expose, image_bodies, render_well
from exvivo.simulate.samples import LINE, OPTICS_LINE, PATIENT, SCREEN_SCENE, TRAINING_SCENE
from exvivo.simulate.spheroid import Bodies, grow_spheroid

SMALL = Imaging(size=96, planes=3)
PLACE = Place(3, 4, 16, 24)


def grow(appearance, viability=1.0, phenotype="control", seed=0, **faults):
    state = WellState(viability=viability, phenotype=phenotype, faults=Faults(**faults))
    bodies, _ = grow_spheroid(appearance, state, np.random.default_rng(seed))
    return bodies


def render(state=None, scene=SCREEN_SCENE, imaging=SMALL, seed=1, place=PLACE, **more):
    return render_well(
        scene, state or WellState(), imaging, seed=seed, plate="P", place=place, **more
    )


def body(x=0.0, y=0.0, z=0.0, radius=6.0):
    one = np.ones(1)
    return Bodies(x * one, y * one, z * one, radius * one, radius * one, 0 * one, one, 0 * one)


def radius_of_gyration(bodies):
    return np.sqrt(np.mean((bodies.x - bodies.x.mean()) ** 2 + (bodies.y - bodies.y.mean()) ** 2))


# drugs and their truth


@pytest.mark.parametrize("dose, expected", [(0.0, 1.0), (100.0, 0.6), (1e12, 0.2)])
def test_curve_runs_from_top_through_the_middle_to_bottom(dose, expected):
    assert Curve(1.0, 0.2, 2.0, 1.5).viability(dose) == pytest.approx(expected)


def test_viability_is_one_minus_the_scorings_own_curve():
    from exvivo.responses.curve import evaluate

    curve, x = Curve(0.97, 0.11, 2.3, 1.4, 0.6), np.linspace(-1, 5, 13)
    fitted = evaluate(curve.inhibition_parameters(), x)
    np.testing.assert_allclose(curve.viability(10.0**x), 1.0 - fitted, atol=1e-12)


def test_true_score_of_a_step_follows_from_its_width():
    # 100 % inhibition over the upper two of four decades: half of (100 - 10) / (100 - 10) * 2/4
    drug = replace(PANEL[0], highest=1e4, curve=Curve(1.0, 0.0, 2.0, 400.0))
    assert drug.score() == pytest.approx(25.0, abs=0.2)


def test_positive_control_is_nearly_dead_and_the_titration_falls():
    assert STAUROSPORINE.state(POSITIVE_DOSE).viability == pytest.approx(0.03, abs=0.01)
    falling = STAUROSPORINE.curve.viability([0.1, 1.0, 10.0, 100.0, 1000.0])
    assert (np.diff(falling) < 0).all() and falling[0] > 0.99


def test_every_sample_has_clear_hits_and_clear_misses():
    for seed in range(60):
        scores = np.array([drug.score() for drug in panel(seed)])
        assert len(scores) == 24 and 9 <= (scores > 10).sum() <= 12
        assert (np.abs(scores - 10) < 1.5).sum() <= 3


def test_panel_has_distinct_names_several_ranges_and_all_phenotypes():
    assert len({drug.name for drug in panel(1, 60)}) == 60
    assert len({drug.highest for drug in PANEL}) >= 3
    assert {drug.phenotype for drug in PANEL} == set(PHENOTYPES) - {"control"}
    first, second = (panel(1, sample=k) for k in (0, 1))
    assert [d.curve for d in first] != [d.curve for d in second]
    assert panel(7) == panel(7)


def test_doses_are_tenfold_steps_and_glow_does_not_need_an_effect():
    steroid = next(drug for drug in PANEL if drug.glow and drug.curve.bottom == 1.0)
    assert steroid.doses() == pytest.approx([1, 10, 100, 1000, 10000])
    states = [steroid.state(dose) for dose in steroid.doses()]
    assert all(state.viability == 1.0 for state in states)
    assert states[-1].glow > 0.8 * steroid.glow and states[0].glow < 0.01


# cells


@pytest.mark.parametrize("name", PHENOTYPES)
def test_fates_of_a_phenotype_are_shares_of_one(name):
    kind = PHENOTYPES[name]
    assert kind.apoptotic + kind.necrotic + kind.detached + kind.missing == pytest.approx(1.0)


def test_number_of_nuclei_varies_as_written_down():
    appearance = replace(LINE, debris=0, baseline_death=0.0, baseline_sd=0.0)
    counts = [len(grow(appearance, seed=seed)) for seed in range(60)]
    assert np.median(counts) == pytest.approx(appearance.cells, rel=0.06)
    assert np.std(np.log(counts)) == pytest.approx(appearance.cells_cv, rel=0.35)


def test_nuclei_of_a_healthy_line_do_not_pile_up():
    bodies = grow(replace(LINE, debris=0, stragglers=0.0, stragglers_sd=0.0), seed=3)
    points = np.stack([bodies.x, bodies.y, bodies.z], axis=1)
    gaps = np.linalg.norm(points[:, None] - points[None], axis=-1)
    nearest = np.sort(gaps, axis=1)[:, 1]
    assert np.median(nearest) > 0.6 * LINE.spacing


@pytest.mark.parametrize("appearance", [LINE, PATIENT])
def test_dying_takes_stained_matter_step_by_step(appearance):
    appearance = replace(appearance, debris=0)
    mean = [
        np.mean([grow(appearance, v, seed=seed).dna.sum() for seed in range(12)])
        for v in (1.0, 0.6, 0.2)
    ]
    assert mean[0] > mean[1] > mean[2]


def test_the_line_falls_apart_and_the_patients_nuclei_condense():
    dead, healthy = ([grow(LINE, v, seed=s) for s in range(8)] for v in (0.0, 1.0))
    spread = [np.mean([radius_of_gyration(b) for b in group]) for group in (dead, healthy)]
    assert spread[0] > 1.5 * spread[1]
    calm = replace(PATIENT, debris=0)
    sizes = [np.median(grow(calm, v, seed=1).a) for v in (0.0, 1.0)]
    assert sizes[0] < 0.6 * sizes[1]


def test_apoptosis_keeps_more_stain_than_lysis():
    stain = {
        kind: np.mean([grow(PATIENT, 0.0, kind, seed).dna.sum() for seed in range(10)])
        for kind in ("apoptotic", "necrotic")
    }
    assert stain["apoptotic"] > 1.3 * stain["necrotic"]


def test_cytostatic_leaves_fewer_cells_than_apoptosis_and_larger_living_ones():
    kinds = PHENOTYPES
    assert kinds["cytostatic"].missing > kinds["apoptotic"].missing
    assert kinds["cytostatic"].growth > 0 == kinds["apoptotic"].growth


def test_empty_well_has_no_spheroid_and_a_fibre_is_long():
    assert len(grow(replace(PATIENT, debris=0), empty=True)) == 0
    plain, fibre = (grow(PATIENT, empty=True, fibre=f, seed=5) for f in (False, True))
    assert len(fibre) > len(plain) and np.ptp(np.hypot(fibre.x, fibre.y)) > 150


# optics and camera


@pytest.mark.parametrize("x, y", [(0.0, 0.0), (3.3, -7.7), (40.1, 20.9)])
def test_a_nucleus_gives_the_same_light_wherever_it_lies(x, y):
    pixel = 1.5
    drawn = draw_slabs(body(x, y, 3.0), 128, pixel)
    # an ellipsoid of central value 1 and semi-axes 6 µm: 2/3 of the enclosing ellipse's area
    assert drawn.sum() == pytest.approx(2 / 3 * np.pi * 36 / pixel**2, rel=1e-5)
    row, column = np.array(np.nonzero(drawn.sum(0))).mean(axis=1)
    assert (column - 63.5) * pixel == pytest.approx(x, abs=pixel)
    assert (row - 63.5) * pixel == pytest.approx(y, abs=pixel)


def test_a_nucleus_out_of_the_picture_is_left_out():
    assert draw_slabs(body(x=500.0), 64, 1.0).sum() == 0


def test_the_plane_at_a_nucleus_is_sharpest_and_brightest():
    planes = image_bodies(body(z=OPTICS_LINE.step), OPTICS_LINE, 128, 5)
    peaks = planes.max(axis=(1, 2))
    assert peaks.argmax() == 3
    assert peaks[0] < 0.25 * peaks[3]
    assert planes[0].sum() > 0.1 * planes[3].sum()  # out-of-focus light stays


def test_cell_bodies_add_a_faint_wide_glow():
    plain, spread = (image_bodies(body(), OPTICS_LINE, 128, 1, s)[0] for s in (0.0, 0.5))
    assert spread.sum() > 1.4 * plain.sum()
    assert spread[64, 64 + 6] - plain[64, 64 + 6] > 0.01


def test_camera_noise_has_the_variance_of_its_parts():
    signal = np.full((3, 200, 200), 400.0, dtype=np.float32)
    grey = expose(signal, OPTICS_LINE, np.random.default_rng(0)).astype(float)
    gain, read = OPTICS_LINE.gain, OPTICS_LINE.read_noise
    assert grey.mean() == pytest.approx(OPTICS_LINE.offset + gain * 400, rel=0.002)
    assert grey.var() == pytest.approx(gain**2 * (400 + read**2), rel=0.03)


def test_camera_saturates_instead_of_wrapping():
    signal = np.array([[[0.0, 1e6]]], dtype=np.float32)
    grey = expose(signal, OPTICS_LINE, np.random.default_rng(0))
    assert grey.dtype == np.uint16 and grey[0, 0, 1] == 65535 and grey[0, 0, 0] < 300


def test_enlarging_keeps_a_ramp():
    ramp = np.tile(np.arange(8, dtype=np.float32), (8, 1))[None]
    large = enlarge(ramp, 32)[0]
    assert large.shape == (32, 32)
    np.testing.assert_allclose(np.diff(large[16, 4:28]), 0.25, atol=1e-5)


def test_a_well_is_the_same_every_time_and_another_one_differs():
    first, again = render(), render()
    np.testing.assert_array_equal(first, again)
    assert first.shape == (3, 96, 96) and first.dtype == np.uint16
    for other in (
        render(seed=2),
        render(place=Place(3, 5, 16, 24)),
        render(site=1),
        render(wave=1),
    ):
        assert (other != first).mean() > 0.5
    assert all((first[i] != first[j]).any() for i in range(3) for j in range(i))


def test_compound_glow_brightens_quenching_darkens():
    base = render().astype(float).mean()
    assert render(WellState(glow=0.3)).mean() > base + 20
    assert render(WellState(quench=0.5)).mean() < base - 20


def test_illumination_is_uneven_and_belongs_to_the_plate():
    optics = replace(SCREEN_SCENE.optics, vignette=0.3, tilt=0.0)
    scene = replace(SCREEN_SCENE, optics=optics)
    image = render(WellState(faults=Faults(empty=True)), scene).mean(axis=0)
    assert image[:8, :8].mean() < 0.9 * image[44:52, 44:52].mean()


def test_mean_of_stack_is_no_measure_of_death_across_phenotypes():
    """Stain varies more between wells than death changes it: what the benchmark is about."""
    healthy = [render(place=Place(5, c, 16, 24)).mean() for c in range(12)]
    dead = [
        render(WellState(0.03, "apoptotic"), place=Place(6, c, 16, 24)).mean() for c in range(12)
    ]
    assert np.quantile(dead, 0.75) > np.quantile(healthy, 0.25)


def test_the_samples_look_different():
    line, patient = (
        render(scene=s, imaging=Imaging(128, 3)).max(0).astype(float)
        for s in (TRAINING_SCENE, SCREEN_SCENE)
    )
    lit = [(m > 0.25 * np.percentile(m, 99.5)).mean() for m in (line, patient)]
    assert lit[1] > 1.2 * lit[0]


# what is written down


def documented(repository):
    text = (repository / "docs/simulator.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines]


def shown(value):
    return f"{value[0]} to {value[1]}" if isinstance(value, tuple) else f"{value:g}"


@pytest.mark.parametrize("part", ["", "nuclei", "small", "death", "stain", "optics"])
def test_every_parameter_is_written_down_with_its_value(repository, part):
    rows = [tuple(row[:3]) for row in documented(repository)]
    sides = []
    for scene in (TRAINING_SCENE, SCREEN_SCENE):
        owner = scene if part in ("stain", "optics") else scene.appearance
        sides.append(getattr(owner, part) if part else owner)
    checked = 0
    for field in fields(sides[0]):
        values = [getattr(side, field.name) for side in sides]
        if isinstance(values[0], (int, float, tuple)):
            assert (field.name, *map(shown, values)) in rows
            checked += 1
    assert checked >= 6


def test_every_phenotype_and_drug_is_written_down(repository):
    rows = documented(repository)
    for name, kind in PHENOTYPES.items():
        assert [name, *(f"{getattr(kind, f.name):g}" for f in fields(kind))] in rows
    for drug in PANEL:
        (row,) = [row for row in rows if row[0] == drug.name]
        assert row[4:9] == [
            f"{drug.curve.bottom:g}",
            f"{drug.curve.x_mid:.2f}",
            f"{drug.curve.slope:g}",
            f"{drug.curve.asymmetry:g}",
            f"{drug.glow:g}",
        ]
        assert row[-1] == f"{drug.score():.1f}"
