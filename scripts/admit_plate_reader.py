"""Decide whether the file of a plate reader can be used.

Output `admission` (JSON): verdict (`admitted`, `arriving`, `refused`) and reasons. A file that is not there yet is arriving, one
that cannot be read refuses its plate; what follows for its screen is the screen's policy, and nobody else is stopped.
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
