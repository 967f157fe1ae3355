"""Names of persons stay out of results, logs and reports.

A personal value that would be carried into results (folder and file names, sheets, layouts, an instrument's names for
channels) refuses its plate or screen, or is replaced by a keyed pseudonym. One that stays in the raw data is noted by
kind and place. Messages pass through `scrub`. Facts and limits: docs/privacy.md.
"""

from exvivo.privacy.messages import ScrubbingFormatter, name_root, scrub
from exvivo.privacy.policy import (
    PSEUDONYMISE,
    REFUSE,
    Policy,
    current,
    places,
    record,
    use,
    use_recorded,
)

__all__ = [
    "PSEUDONYMISE",
    "REFUSE",
    "Policy",
    "ScrubbingFormatter",
    "current",
    "name_root",
    "places",
    "record",
    "scrub",
    "use",
    "use_recorded",
]
