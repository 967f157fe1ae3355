"""Raw plates as instruments wrote them: which image is what, what changed, and what may be used.

`scan` writes a plate's fingerprint, `admission` decides what of the plate may be used; each instrument
has one small class that knows its folders, file names and index. Standard library only, except that
`admission` reads TIFF headers (with `tiff`, also standard library): imported at DAG time.
"""

from __future__ import annotations

from exvivo.errors import ConfigError
from exvivo.plates.base import Expectation, Instrument, Listing, RawFile, Reason, read_fingerprint

INSTRUMENTS = ("imagexpress", "operetta", "pattern")

__all__ = [
    "INSTRUMENTS",
    "Expectation",
    "Instrument",
    "Listing",
    "RawFile",
    "Reason",
    "get_instrument",
    "read_fingerprint",
]


def get_instrument(name: str, *, pattern: str | None = None) -> Instrument:
    """Return the reader of the instrument `name`: `imagexpress`, `operetta` or `pattern`.

    `pattern` is the regular expression of `imaging: pattern` and belongs to the instrument `pattern` only.
    Raises `ConfigError` for another name, and for a pattern that is missing or cannot be used.
    """
    # Imported here so that a plate needs only its own instrument's module.
    if name == "imagexpress":
        from exvivo.plates.imagexpress import ImageXpress

        return ImageXpress()
    if name == "operetta":
        from exvivo.plates.operetta import Operetta

        return Operetta()
    if name == "pattern":
        from exvivo.plates.pattern import Pattern

        return Pattern(pattern)
    raise ConfigError(
        "there is no instrument of this name",
        expected=", ".join(INSTRUMENTS),
        found=repr(name),
        where="plates.tsv, column instrument",
        hint="for plates of another instrument use 'pattern' and describe its file names in imaging: pattern",
    )
