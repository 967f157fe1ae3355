"""Responses: normalise readouts, fit dose-response curves, score drugs. Knows nothing of the assay."""

from exvivo.responses.fit import METHODS, fit_curves
from exvivo.responses.normalise import build_responses
from exvivo.responses.reference import read_reference
from exvivo.responses.scores import score, scores_schema
from exvivo.responses.screen import score_responses
from exvivo.responses.uncertainty import Settings, uncertainty

__all__ = [
    "METHODS",
    "Settings",
    "build_responses",
    "fit_curves",
    "read_reference",
    "score",
    "score_responses",
    "scores_schema",
    "uncertainty",
]
