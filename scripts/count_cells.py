"""Count the cells of every well of a screen, or the share of them that is called cancer.

Output `readout` (Parquet): one row per well; flags `few_cells`, `cells_not_called`, `damaged` where it has no value.
"""

from pathlib import Path

from exvivo.cells.calls import read_calls
from exvivo.cells.choose import chosen
from exvivo.cells.count import count_cells
from exvivo.cells.gather import segmented_plates
from exvivo.cells.label import Labels
from exvivo.log import start_script
from exvivo.tables import READOUT, write_table


def main(*, name, plates, labels, choice, calls, min_cells, seed, readout):
    """Write one readout of one screen."""
    known = Labels.read(labels)
    marker = chosen(choice, known)["marker"]
    said = {Path(path).stem: read_calls(path) for path in calls}
    frame = count_cells(name, plates, known, marker, said, min_cells=min_cells, seed=seed)
    write_table(frame, readout, READOUT)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        name=snakemake.wildcards.cell_readout,
        plates=segmented_plates(snakemake.input.segmented, snakemake.input.cells),
        labels=snakemake.input.labels,
        choice=snakemake.input.get("choice", []),
        calls=snakemake.input.get("calls", []),
        min_cells=snakemake.params.min_cells,
        seed=snakemake.params.seed,
        readout=snakemake.output.readout,
    )
