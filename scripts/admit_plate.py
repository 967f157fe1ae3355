"""Decide whether a raw plate may be used, and which of its wells.

Output `admission` (JSON): verdict of the plate (`admitted`, `arriving`, `refused`), reasons, and for each
well its verdict, fields, channels, planes and flags.
"""

from exvivo.files import write_json
from exvivo.log import start_script
from exvivo.plates import get_instrument
from exvivo.plates.admission import admit_plate


def main(*, fingerprint, folder, instrument, pattern, settings, admission):
    """Write the admission of one plate."""
    decision = admit_plate(
        fingerprint, folder, get_instrument(instrument, pattern=pattern), settings
    )
    write_json(admission, decision.to_json())


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0], raw=snakemake.params.folder)
    main(
        fingerprint=snakemake.input.fingerprint,
        folder=snakemake.params.folder,
        instrument=snakemake.params.instrument,
        pattern=snakemake.params.pattern,
        settings=snakemake.params.settings,
        admission=snakemake.output.admission,
    )
