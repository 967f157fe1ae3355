"""Join what is known of the wells of a screen: from their images, the network, and what people decided.

Output `flags` (Parquet): one row per finding: plate, well, check, source, value, limit, consequence, text
"""

import logging

from exvivo.inspection.accepted import accept_holds
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.inspection.judge import join_flags
from exvivo.log import start_script
from exvivo.tables import LAYOUT, WELL_FLAGS, read_table, write_table

log = logging.getLogger("judge_wells")


def main(*, layout, plates, decisions, accepted, flags):
    """Write the flags of one screen; `plates` are the tables of its imaged plates."""
    wells = read_table(layout, LAYOUT)
    joined = accept_holds(join_flags([read_flags(plates)], wells, decisions), accepted)
    log.info("%d flags, %d wells excluded", len(joined), len(excluded_wells(joined)))
    write_table(joined, flags, WELL_FLAGS)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        layout=snakemake.input.layout,
        plates=snakemake.input.plates,
        decisions=snakemake.params.decisions,
        accepted=snakemake.params.accepted,
        flags=snakemake.output.flags,
    )
