"""What a score means beside others: healthy controls, the facility's other screens, patients' plasma, drivers.

Pure functions from tables to tables; nothing here changes a score. DESIGN.md, section 4: a reference is a
file with a version, so that what is said of a screen does not change when another screen is finished.
"""

from exvivo.context.drugs import Background, describe_drugs
from exvivo.context.names import DrugNames
from exvivo.context.record import context_record
from exvivo.context.reference import Source, build_reference, reference_text
from exvivo.context.tables import CONTEXT

__all__ = [
    "CONTEXT",
    "Background",
    "DrugNames",
    "Source",
    "build_reference",
    "context_record",
    "describe_drugs",
    "reference_text",
]
