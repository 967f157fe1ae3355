"""Quality: metrics with limits, and the gates that put a screen on hold. Knows nothing of the assay."""

from exvivo.quality.agreement import modality_mismatches
from exvivo.quality.assess import assess
from exvivo.quality.table import qc_table

__all__ = ["assess", "modality_mismatches", "qc_table"]
