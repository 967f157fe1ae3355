"""Test whether what was measured on each plate of a screen fits its layout.

Output `evidence` (JSON): by plate, the evidence in nats for the layout as given, turned, mirrored, shifted, with
controls exchanged, and for the layouts of the screen's other plates, with the controls that each predicts. No plate
where the screen cannot be scored.
"""

import logging
from pathlib import Path

import pandas as pd

from exvivo.files import read_json, write_json
from exvivo.log import start_script
from exvivo.placement import examine
from exvivo.placement.measure import from_images, from_readout
from exvivo.readiness import READY
from exvivo.tables import LAYOUT, READOUT, read_table

log = logging.getLogger("test_layout")


def main(*, layout, admission, stores, readouts, contrasts, plates_of, evidence):
    """Write the evidence of all arrangements of one screen's plates."""
    found = {}
    if read_json(admission)["verdict"] == READY:
        measured = dict(from_images(path) for path in stores)
        tables = {Path(path).parents[1].name: Path(path) for path in readouts}
        for plate, path in tables.items():
            if plate not in measured:
                measured[plate] = from_readout(path.stem, read_table(path, READOUT))
        by_plate = {p: contrasts[name] for name in reversed(plates_of) for p in plates_of[name]}
        found = examine(read_table(layout, LAYOUT), measured, by_plate)
    for plate, entry in found.items():
        given = entry["arrangements"][0]
        table = pd.DataFrame(entry["arrangements"]).nlargest(3, "evidence")
        log.info(
            "%s: %.1f nats as given; %s",
            plate,
            given["evidence"],
            table[["words", "evidence"]].values.tolist(),
        )
    write_json(evidence, found)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        layout=snakemake.input.layout,
        admission=snakemake.input.admission,
        stores=snakemake.input.wells,
        readouts=snakemake.input.readouts,
        contrasts=snakemake.params.contrasts,
        plates_of=snakemake.params.plates_of,
        evidence=snakemake.output.evidence,
    )
