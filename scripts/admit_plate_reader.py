"""Decide whether the file of a plate reader can be used.

Output `admission` (JSON): verdict (`admitted`, `refused`) and reasons. A file that is missing or cannot be read
refuses its plate, and with it its screen, and stops nobody else.
"""

import logging

from exvivo.errors import ExvivoError
from exvivo.files import write_json
from exvivo.log import start_script
from exvivo.readouts.reader import read_plate_reader


def main(*, file, layout_plate, plate, admission):
    """Write the admission of one plate."""
    reasons = []
    try:
        read_plate_reader(file, layout_plate, plate)
    except ExvivoError as error:
        logging.getLogger("admit_plate_reader").warning("plate %s is refused: %s", plate, error)
        parts = {name: getattr(error, name) for name in ("where", "expected", "hint")}
        found = f"{error.problem}: {error.found}" if error.found else error.problem
        reasons = [{"code": "reader_file", "level": "refused", "found": found, **parts}]
    verdict = "refused" if reasons else "admitted"
    write_json(admission, {"verdict": verdict, "reasons": reasons, "wells": {}})


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        file=snakemake.params.file,
        layout_plate=snakemake.params.layout_plate,
        plate=snakemake.wildcards.plate,
        admission=snakemake.output.admission,
    )
