"""Rank the networks of an architecture search.

Outputs
    `nets` (TSV)     all networks, the highest training accuracy first: columns of `exvivo.tables.SEARCH`, `front` (no
                     other is as accurate, as fast and as small), `chosen`
    `figure` (SVG)   accuracy against time and size
"""

import pandas as pd

from exvivo.figures.pareto import pareto
from exvivo.files import replacing, write_text
from exvivo.log import start_script
from exvivo.morphology.ranking import rank
from exvivo.tables import SEARCH, read_table


def main(*, parts, nets, figure):
    """Write table and figure."""
    ranked = rank(pd.concat([read_table(part, SEARCH) for part in parts], ignore_index=True))
    write_text(figure, pareto(ranked).standalone())
    with replacing(nets) as partial:
        ranked.to_csv(partial, sep="\t", index=False)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        parts=snakemake.input.parts,
        nets=snakemake.output.nets,
        figure=snakemake.output.figure,
    )
