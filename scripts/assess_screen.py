"""Judge a screen: quality metrics against their limits, and whether it may be ranked.

Outputs
    `quality` (TSV)     one row per metric and scope: value, limit, verdict (`pass`, `warn`, `fail`, `info`), gate
    `verdict` (JSON)    `pass` or `hold`, with the reasons
"""

from pathlib import Path

import pandas as pd

from exvivo.files import read_json, write_json
from exvivo.inspection.flags import read_flags
from exvivo.log import start_script
from exvivo.quality import assess
from exvivo.responses.read import read_scores
from exvivo.tables import CURVES, QUALITY, READOUT, RESPONSES, read_table, write_table


def main(
    *,
    responses,
    curves,
    scores,
    admission,
    flags,
    layout_truth,
    histories,
    crossfit,
    screen,
    headline,
    contrasts,
    limits,
    hit,
    accepted,
    quality,
    verdict,
):
    """Write quality table and verdict of one screen."""
    table, decision = assess(
        read_table(responses, RESPONSES),
        read_scores(Path(scores)),
        read_table(curves, CURVES),
        histories={
            Path(path).name.split("_")[0]: pd.read_csv(path, sep="\t") for path in histories
        },
        crossfit=read_table(crossfit[0], READOUT) if crossfit else None,
        admission=read_json(admission),
        flags=read_flags([flags]),
        placement=read_json(layout_truth),
        screen=screen,
        headline=headline,
        contrasts=contrasts,
        limits=limits,
        hit=hit,
        accepted=accepted,
    )
    write_table(table, quality, QUALITY)
    write_json(verdict, decision)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        responses=snakemake.input.responses,
        curves=snakemake.input.curves,
        scores=snakemake.input.scores,
        admission=snakemake.input.admission,
        flags=snakemake.input.flags,
        layout_truth=snakemake.input.layout_truth,
        histories=snakemake.input.histories,
        crossfit=snakemake.input.crossfit,
        screen=snakemake.params.screen,
        headline=snakemake.params.headline,
        contrasts=snakemake.params.contrasts,
        limits=snakemake.params.limits,
        hit=snakemake.params.hit,
        accepted=snakemake.params.accepted,
        quality=snakemake.output.quality,
        verdict=snakemake.output.verdict,
    )
