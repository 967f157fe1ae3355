"""What quality has to know about a readout beyond its numbers: how they came about.

This is the only place where names of readouts mean something; what is not listed is a measurement of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from exvivo.sheets.names import CELL_READOUTS


@dataclass(frozen=True)
class Kind:
    """How a readout comes about.

    Attributes: `modality` what was measured (hits are compared between different ones); `training` the
    phase whose model predicts it, if any; `trained_on_controls` whether that model saw the very controls that
    it is judged by; `honest_replicates` the readout whose replicates to compare instead, where a model has
    learnt one replicate from the other; `published_limits` whether the published limits of training
    apply.
    """

    modality: str
    training: str = ""
    trained_on_controls: bool = False
    honest_replicates: str = ""
    published_limits: bool = False


_KINDS = {
    **dict.fromkeys(CELL_READOUTS, Kind("cells")),
    "mean_of_stack": Kind("imaging"),
    "viability_phase1": Kind("imaging", training="phase1"),
    "viability_phase2": Kind(
        "imaging", training="phase2", trained_on_controls=True, published_limits=True
    ),
    "viability_phase3": Kind(
        "imaging",
        training="phase3",
        trained_on_controls=True,
        honest_replicates="viability_phase2",
    ),
}


def kind_of(readout: str) -> Kind:
    """The kind of a readout; one that is not listed is a modality by itself."""
    return _KINDS.get(readout, Kind(readout))
