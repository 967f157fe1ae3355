"""The two simulated samples, a cell line and a patient's, with stain and microscope: every value.

The values are fixed: docs/simulator.md lists them with their reasons. They describe the world that the
pipeline meets and are no settings of the pipeline; a change makes another benchmark and needs an entry
in the changelog.
"""

from __future__ import annotations

from exvivo.simulate.parameters import Appearance, DeathStyle, Nuclei, Optics, Scene, Stain

LINE = Appearance(
    name="cell line",
    cells=300,
    cells_cv=0.10,
    spacing=13.5,
    spacing_cv=0.03,
    disorder=0.16,
    flatness=0.75,
    lobes=0.05,
    stragglers=0.01,
    stragglers_sd=0.01,
    baseline_death=0.05,
    baseline_sd=0.02,
    nuclei=Nuclei(radius=6.0, radius_cv=0.10, elongation=0.25, dna=1.0, dna_cv=0.15, texture=0.25),
    small=Nuclei(radius=4.6, radius_cv=0.10, elongation=0.15, dna=0.8, dna_cv=0.15, texture=0.15),
    small_share=0.02,
    small_sd=0.01,
    debris=6,
    death=DeathStyle(
        pyknotic_radius=0.92,
        fragments=(3, 6),
        fragmented=0.03,
        apoptotic_stain=0.85,
        ghost_radius=1.15,
        ghost_stain=0.30,
        loosening=60.0,
        washed=0.3,
        condensation=0.10,
    ),
)

PATIENT = Appearance(
    name="patient",
    cells=320,
    cells_cv=0.14,
    spacing=14.5,
    spacing_cv=0.1,
    disorder=0.3,
    flatness=0.65,
    lobes=0.2,
    stragglers=0.32,
    stragglers_sd=0.08,
    baseline_death=0.07,
    baseline_sd=0.02,
    nuclei=Nuclei(radius=5.6, radius_cv=0.18, elongation=0.35, dna=1.0, dna_cv=0.30, texture=0.40),
    small=Nuclei(radius=3.4, radius_cv=0.10, elongation=0.10, dna=0.65, dna_cv=0.20, texture=0.10),
    small_share=0.18,
    small_sd=0.05,
    debris=25,
    death=DeathStyle(
        pyknotic_radius=0.45,
        fragments=(2, 5),
        fragmented=0.7,
        apoptotic_stain=1.15,
        ghost_radius=1.20,
        ghost_stain=0.30,
        loosening=6.0,
        washed=0.8,
        condensation=0.12,
    ),
)

STAIN_LINE = Stain(
    electrons=2200.0,
    well_cv=0.20,
    gradient=0.06,
    edge=0.04,
    background=120.0,
    background_cv=0.10,
    cytoplasm=0.02,
)
STAIN_PATIENT = Stain(
    electrons=2800,
    well_cv=0.2,
    gradient=0.10,
    edge=0.05,
    background=200.0,
    background_cv=0.12,
    cytoplasm=0.03,
)

OPTICS_LINE = Optics(
    field=263.4,
    step=16.0,
    sharpness=0.9,
    spread=0.20,
    section=14.0,
    haze=0.22,
    depth=110.0,
    scatter=0.006,
    vignette=0.10,
    tilt=0.08,
    offset=110.0,
    gain=2.2,
    read_noise=1.8,
    focus_sd=6.0,
    centring_sd=9.0,
)
OPTICS_PATIENT = Optics(
    field=263.4,
    step=16.0,
    sharpness=1.2,
    spread=0.24,
    section=17.0,
    haze=0.30,
    depth=90.0,
    scatter=0.008,
    vignette=0.16,
    tilt=0.14,
    offset=140.0,
    gain=2.2,
    read_noise=1.8,
    focus_sd=4.0,
    centring_sd=14.0,
)

TRAINING_SCENE = Scene(LINE, STAIN_LINE, OPTICS_LINE)
SCREEN_SCENE = Scene(PATIENT, STAIN_PATIENT, OPTICS_PATIENT)
