"""Compare a screen with the repeats of its sample, and its modalities with each other.

Outputs
    `repeats` (TSV)     two rows per pair (scores, curves): correlation, concordance, limits of agreement, hits
    `paired` (Parquet)  one row per drug that both sides scored
    `mismatches` (TSV)  one row per drug that is a hit on one side only, with the quality of both sides
"""

from pathlib import Path

from exvivo.context.names import DrugNames
from exvivo.context.repeats import Screened, compare, pairs_of
from exvivo.context.tables import MISMATCHES, PAIRED, REPEATS
from exvivo.files import read_json
from exvivo.log import start_script
from exvivo.responses.read import read_scores
from exvivo.sheets.registry import read_drug_rows
from exvivo.tables import CURVES, QUALITY, read_table, write_table


def main(*, screens, files, order, sample, drugs, hit, outputs):
    """Write all tables; `screens` are the screen itself and its repeats, `files` the results of each."""
    own, *others = [
        Screened(
            screen,
            read_scores(Path(scores)),
            read_table(curves, CURVES),
            read_table(quality, QUALITY),
            read_json(verdict),
        )
        for screen, (scores, curves, quality, verdict) in zip(screens, files, strict=True)
    ]
    names = DrugNames.of(read_drug_rows(Path(drugs[0]))) if drugs else DrugNames()
    pairs = pairs_of(own, others, order)
    agreed, differing, paired = compare(pairs, sample=sample, names=names, hit=hit)
    write_table(agreed, outputs["repeats"], REPEATS)
    write_table(differing, outputs["mismatches"], MISMATCHES)
    write_table(paired, outputs["paired"], PAIRED)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    given = snakemake.input
    main(
        screens=snakemake.params.screens,
        files=list(zip(given.scores, given.curves, given.quality, given.verdicts, strict=True)),
        order=snakemake.params.order,
        sample=snakemake.params.sample,
        drugs=given.drugs,
        hit=snakemake.params.hit,
        outputs=dict(snakemake.output.items()),
    )
