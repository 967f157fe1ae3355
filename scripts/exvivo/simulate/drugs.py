"""The simulated drugs: classes, phenotypes, doses, and curves whose scores are known exactly.

A curve is a five-parameter logistic in viability over x = log10 of the dose in nM,
v(x) = top - (top - bottom) / [1 + 10^(slope (x_mid - x))]^asymmetry, which is one minus the inhibition curve
of the scoring. True scores come from the scoring's own formula for DSS_asym.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from exvivo.simulate.parameters import WellState
from exvivo.simulate.randomness import Purpose, stream

HIT = 10.0  # a drug is a hit above this DSS_asym (Berker et al. 2022)
POTENCY_SD, POTENCY_LIMIT = 0.10, 0.20  # log10 nM: how samples differ in sensitivity
EFFECT_LIMIT = 0.02  # largest change of the lowest viability between samples, as a fraction


@dataclass(frozen=True)
class Curve:
    """Viability (fraction) over log10 nM; `slope` and `asymmetry` are positive."""

    top: float
    bottom: float
    x_mid: float
    slope: float
    asymmetry: float = 1.0

    def viability(self, concentration: ArrayLike) -> NDArray[np.float64]:
        """Return the viability as a fraction at concentrations in nM; 0 nM gives `top`."""
        dose = np.asarray(concentration, dtype=float)
        with np.errstate(divide="ignore", over="ignore"):
            base = 1.0 + 10.0 ** (self.slope * (self.x_mid - np.log10(dose)))
            return self.top - (self.top - self.bottom) / base**self.asymmetry

    def inhibition_parameters(self) -> NDArray[np.float64]:
        """Return (bottom, top, x_mid, slope, asymmetry) of the inhibition curve, as the scoring has it."""
        return np.array([1.0 - self.top, 1.0 - self.bottom, self.x_mid, self.slope, self.asymmetry])


@dataclass(frozen=True)
class Drug:
    """A drug as one sample responds to it.

    Attributes: `name`; `group` its class in words; `phenotype` how cells die of it; `highest` dose in nM,
    from which `doses` go down in 10-fold steps; `curve`; `glow` and `quench` at a saturating dose: the
    compound's own fluorescence relative to the stain, and the share of the stain's signal it takes away;
    both are half-way at a fifth of the highest dose, whether or not the drug works.
    """

    name: str
    group: str
    phenotype: str
    highest: float
    curve: Curve
    glow: float = 0.0
    quench: float = 0.0

    def doses(self, count: int = 5) -> list[float]:
        """Return `count` doses in nM, lowest first."""
        return [self.highest / 10.0**step for step in range(count - 1, -1, -1)]

    def score(self, count: int = 5) -> float:
        """Return the true DSS_asym over the range of `count` doses."""
        from exvivo.responses.dss import dss_asym

        low, high = np.log10(self.doses(count)[0]), np.log10(self.highest)
        return float(dss_asym(self.curve.inhibition_parameters(), low, high))

    def state(self, concentration: float) -> WellState:
        """Return the state of a well that holds `concentration` nM of the drug."""
        share = concentration / (concentration + self.highest / 5.0)
        return WellState(
            viability=float(self.curve.viability(concentration)),
            phenotype=self.phenotype,
            glow=self.glow * share,
            quench=self.quench * share,
        )


def _drug(
    name: str,
    group: str,
    phenotype: str,
    highest: float,
    bottom: float,
    below: float,
    slope: float,
    asymmetry: float = 1.0,
    **optical: float,
) -> Drug:
    """Build a drug whose middle lies `below` decades under its highest dose."""
    curve = Curve(1.0, bottom, float(np.log10(highest)) - below, slope, asymmetry)
    return Drug(name, group, phenotype, highest, curve, **optical)


# The reference inducer of death: positive control at 250 nM (viability 0.03) and titration to 1,000 nM.
STAUROSPORINE = Drug(
    "Staurosporine", "kinase inhibitor", "control", 1000.0, Curve(1.0, 0.01, 1.6, 2.0)
)
POSITIVE_DOSE = 250.0  # nM

# Ordered by class. The names are made up: no statement about any real drug is meant.
PANEL: tuple[Drug, ...] = (
    _drug("Kin-101", "kinase inhibitor", "apoptotic", 1000, 0.03, 3.75, 1.6),
    _drug("Kin-204", "kinase inhibitor", "apoptotic", 10000, 0.06, 2.55, 1.1),
    _drug("Kin-317", "kinase inhibitor", "apoptotic", 10000, 0.10, 1.85, 1.4),
    _drug("Kin-402", "kinase inhibitor", "apoptotic", 1000, 0.93, 1.5, 1.2),
    _drug("Prot-11", "proteasome inhibitor", "apoptotic", 1000, 0.02, 3.0, 2.2),
    _drug("Prot-26", "proteasome inhibitor", "apoptotic", 100, 0.10, 0.55, 1.2),
    _drug("Bcl-52", "BCL-2 family inhibitor", "apoptotic", 10000, 0.10, 2.3, 1.0, 0.7),
    _drug("Hdac-07", "HDAC inhibitor", "cytostatic", 10000, 0.12, 2.0, 1.3),
    _drug("Hdac-19", "HDAC inhibitor", "cytostatic", 100000, 0.35, 0.50, 1.5),
    _drug("Tub-33", "tubulin inhibitor", "cytostatic", 1000, 0.15, 1.75, 1.8),
    _drug("Tub-48", "tubulin inhibitor", "cytostatic", 1000, 0.92, 2.0, 1.0),
    _drug("Meta-60", "antimetabolite", "cytostatic", 100000, 0.52, 1.65, 1.2),
    _drug("Meta-71", "antimetabolite", "cytostatic", 10000, 1.0, 1.0, 1.0),
    _drug("Alk-15", "alkylating agent", "necrotic", 100000, 0.35, 0.35, 1.4),
    _drug("Anthra-3", "anthracycline", "necrotic", 10000, 0.03, 2.7, 1.3, glow=0.12, quench=0.15),
    _drug("Anthra-8", "anthracycline", "necrotic", 1000, 0.55, 1.0, 1.2, glow=0.12, quench=0.15),
    _drug("Ion-22", "ionophore", "necrotic", 10000, 0.01, 3.35, 1.8),
    _drug("Ion-35", "ionophore", "necrotic", 100000, 0.08, 1.25, 2.0),
    _drug("Adh-41", "adhesion inhibitor", "detaching", 100000, 0.05, 2.85, 1.5, 1.3),
    _drug("Adh-56", "adhesion inhibitor", "detaching", 10000, 0.25, 0.6, 1.6),
    _drug("Adh-64", "adhesion inhibitor", "detaching", 10000, 0.45, 0.2, 1.2),
    _drug("Ster-5", "steroid", "apoptotic", 10000, 1.0, 1.0, 1.0, glow=0.25),
    _drug("Ster-9", "steroid", "apoptotic", 100000, 0.91, 1.6, 1.0),
    _drug("Anti-77", "antibiotic", "apoptotic", 100000, 1.0, 1.0, 1.0, quench=0.25),
)


def panel(seed: int, count: int = len(PANEL), sample: int = 0) -> list[Drug]:
    """Return `count` drugs as the sample number `sample` of `seed` responds to them.

    Samples differ a little in potency and in the viability that is left; drugs without effect stay so.
    With fewer drugs than the panel has, they are taken evenly from it; with more, the panel repeats with
    names that end in a letter.
    """
    if count <= len(PANEL):
        chosen = [PANEL[i * len(PANEL) // count] for i in range(count)]
    else:
        chosen = [_renamed(PANEL[i % len(PANEL)], i // len(PANEL)) for i in range(count)]
    rng = stream(seed, Purpose.DRUGS, "", *([sample] if sample else []))
    return [_of_sample(drug, rng) for drug in chosen]


def _renamed(drug: Drug, turn: int) -> Drug:
    return replace(drug, name=f"{drug.name}{chr(ord('a') + turn - 1)}") if turn else drug


def _of_sample(drug: Drug, rng: np.random.Generator) -> Drug:
    shift = np.clip(rng.normal(0.0, POTENCY_SD), -POTENCY_LIMIT, POTENCY_LIMIT)
    change = rng.uniform(-EFFECT_LIMIT, EFFECT_LIMIT)
    curve = drug.curve
    if curve.bottom < 0.9:
        curve = replace(
            curve, x_mid=curve.x_mid + float(shift), bottom=max(0.0, curve.bottom + float(change))
        )
    return replace(drug, curve=curve)
