"""Gather the comparisons of all screens.

Outputs
    `repeats` (TSV)     all pairs of repeats and modalities, each once
    `mismatches` (TSV)  all drugs that are a hit on one side of a pair only
"""

import pandas as pd

from exvivo.context.tables import MISMATCHES, REPEATS
from exvivo.log import start_script
from exvivo.tables import read_table, write_table


def gather(files, schema, target):
    """Write all tables below each other; a pair that both its screens tell of stands in it once."""
    tables = [read_table(file, schema) for file in files]
    joined = pd.concat(tables, ignore_index=True) if tables else schema.empty_table().to_pandas()
    write_table(joined.drop_duplicates(ignore_index=True), target, schema)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    gather(snakemake.input.repeats, REPEATS, snakemake.output.repeats)
    gather(snakemake.input.mismatches, MISMATCHES, snakemake.output.mismatches)
