"""How a drug's class shows in dying cells: mixtures of four ways to die, and of what stays alive.

The pictures follow the usual descriptions of nuclear morphology under Hoechst: apoptosis shrinks,
condenses and fragments nuclei; lysis leaves faint, swollen ghosts or nothing; cells that lose their
adhesion scatter and are washed away; arrested cells are fewer and larger (Kroemer et al. 2009).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Phenotype:
    """Fates of the share 1 - viability of the cells, and what goes with them.

    Attributes: `apoptotic`, `necrotic`, `detached`, `missing` shares of the lost viability, summing to 1:
    condensed nuclei in place, faint swollen nuclei, condensed nuclei of cells that scatter (some washed
    away), cells never born or gone without trace; `loosening` how far the spheroid falls apart, relative
    to the sample's own; `contraction` relative shrinkage of the spheroid as viability falls to 0; `growth`
    relative increase of the radius of the living nuclei as viability falls to 0; `stain` dye in condensed
    nuclei relative to the sample's own (a compound may open or block the way in).
    """

    apoptotic: float
    necrotic: float
    detached: float
    missing: float
    loosening: float
    contraction: float
    growth: float = 0.0
    stain: float = 1.0


PHENOTYPES: dict[str, Phenotype] = {
    # staurosporine: condensed and fragmented nuclei, a part of the cells detached and washed away
    "control": Phenotype(
        apoptotic=0.48,
        necrotic=0.12,
        detached=0.25,
        missing=0.15,
        loosening=1.0,
        contraction=0.15,
        stain=0.9,
    ),
    # dead nuclei stay in a contracting spheroid and hold more dye: almost the light of a healthy well
    "apoptotic": Phenotype(
        apoptotic=0.62,
        necrotic=0.06,
        detached=0.2,
        missing=0.12,
        loosening=0.5,
        contraction=0.35,
        stain=1.15,
    ),
    # lysis: more faint swollen ghosts, fewer condensed nuclei
    "necrotic": Phenotype(
        apoptotic=0.4,
        necrotic=0.28,
        detached=0.18,
        missing=0.14,
        loosening=2.0,
        contraction=0.05,
        stain=1.0,
    ),
    # loss of adhesion, then death: scattered cells, in the end an almost empty well
    "detaching": Phenotype(
        apoptotic=0.4,
        necrotic=0.06,
        detached=0.42,
        missing=0.12,
        loosening=4.0,
        contraction=0.0,
        stain=1.0,
    ),
    # arrest: fewer cells in a smaller spheroid, the living nuclei a little larger, some apoptosis
    "cytostatic": Phenotype(
        apoptotic=0.46,
        necrotic=0.06,
        detached=0.15,
        missing=0.33,
        loosening=0.5,
        contraction=0.30,
        growth=0.06,
    ),
}
