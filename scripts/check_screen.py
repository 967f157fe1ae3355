"""Bring a screen's plates and layouts together, and say whether it can be scored.

Outputs
    `layout` (Parquet)    one row per plate and well: role, treatment, concentration (nM), replicate, …
    `admission` (JSON)    verdict (`ready`, `waiting`, `refused`), reasons, notes, verdict of each plate
"""

import logging
from pathlib import Path

from exvivo.files import write_json
from exvivo.log import start_script
from exvivo.provisional import set_aside
from exvivo.readiness import (
    READY,
    add_layout,
    check_contrasts,
    check_plates,
    check_wells,
    plates_from,
)
from exvivo.tables import LAYOUT, READOUT, read_table, write_table

log = logging.getLogger("check_screen")


def main(
    *,
    admissions,
    stores,
    readouts,
    plates,
    incomplete,
    headline,
    contrasts,
    pseudonym_pattern,
    min_controls,
    layout,
    admission,
):
    """Write layout and verdict of one screen."""
    by_readout, plates_of = contrasts
    result = check_plates(admissions, stores, incomplete)
    add_layout(result, plates_from(plates), Path.cwd(), pseudonym_pattern)
    set_aside(result, plates_of, headline)
    if len(result.layout):
        measured = {Path(path).parents[1].name: read_table(path, READOUT) for path in readouts}
        check_wells(result, measured)
        check_contrasts(result, by_readout, plates_of, min_controls)
    for text in result.provisional:
        log.warning("provisional: %s", text)
    for reason in result.reasons:
        log.warning("%s: %s", result.verdict, reason)
    if result.verdict == READY:
        log.info("ready: %d wells on %d plates", len(result.layout), len(result.plates))
    write_table(result.layout, layout, LAYOUT)
    write_json(admission, result.to_json())


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        admissions=snakemake.input.admissions,
        stores=snakemake.input.wells,
        readouts=snakemake.input.readouts,
        plates=snakemake.params.plates,
        incomplete=snakemake.params.incomplete,
        headline=snakemake.params.headline,
        contrasts=(snakemake.params.contrasts, snakemake.params.plates_of),
        pseudonym_pattern=snakemake.params.pseudonym_pattern,
        min_controls=snakemake.params.min_controls,
        layout=snakemake.output.layout,
        admission=snakemake.output.admission,
    )
