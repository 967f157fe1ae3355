"""Patients, looking back: did those who received what the screen pointed to do better?

Retrospective only: times are days from the start of a therapy, never dates; patients are pseudonyms. Nothing here
recommends anything for a living patient (Heinemann et al. 2022, clinical analysis).
"""

from exvivo.outcomes.groups import COMPARED, group_patients, integrated_auc
from exvivo.outcomes.responders import enrichment, exceptional, pfs_ratios
from exvivo.outcomes.survival import Survival, at_risk, compare, survival

__all__ = [
    "COMPARED",
    "Survival",
    "at_risk",
    "compare",
    "enrichment",
    "exceptional",
    "group_patients",
    "integrated_auc",
    "pfs_ratios",
    "survival",
]
