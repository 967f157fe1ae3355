"""Decide whether the file of a plate reader can be used.

Output `admission` (JSON): verdict (`admitted`, `refused`) and reasons. A file that is missing or cannot be read
refuses its plate, and with it its screen, and stops nobody else.
"""

from exvivo.files import write_json
from exvivo.log import start_script
from exvivo.readouts.admission import admit_plate_reader

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0], raw=snakemake.params.file)
    write_json(
        snakemake.output.admission,
        admit_plate_reader(
            snakemake.input.fingerprint,
            snakemake.params.file,
            snakemake.params.layout_plate,
            snakemake.wildcards.plate,
        ),
    )
