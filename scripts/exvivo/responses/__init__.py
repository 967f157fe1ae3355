"""Responses: normalise readouts, fit dose-response curves, score drugs. Knows nothing of the assay."""

from exvivo.responses.fit import METHODS, fit_curves
from exvivo.responses.normalise import build_responses
from exvivo.responses.reference import read_reference
from exvivo.responses.scores import score, scores_schema

__all__ = [
    "METHODS",
    "build_responses",
    "fit_curves",
    "read_reference",
    "score",
    "scores_schema",
]
