"""Read what a plate reader measured on one plate.

Output `readout` (Parquet): one row per well; value as the reader wrote it, missing where it says so. Without rows if
the plate was refused.
"""

from exvivo.files import read_json
from exvivo.log import start_script
from exvivo.readouts.reader import read_plate_reader
from exvivo.tables import READOUT, write_table


def main(*, file, layout_plate, plate, admission, readout):
    """Write the readout of one plate."""
    frame = READOUT.empty_table().to_pandas()
    if read_json(admission)["verdict"] == "admitted":
        frame = read_plate_reader(file, layout_plate, plate)
    write_table(frame, readout, READOUT)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0], raw=snakemake.params.file)
    main(
        file=snakemake.params.file,
        layout_plate=snakemake.params.layout_plate,
        plate=snakemake.wildcards.plate,
        admission=snakemake.input.admission,
        readout=snakemake.output.readout,
    )
