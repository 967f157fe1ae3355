"""Write a screen for another program.

Output `export`: `itrex.zip` or `breeze.zip` (workbooks, text matrices, figures), or `profiles.parquet` (a row per well).
Of a screen on hold the zip holds its reasons alone, and the profiles have no row.
"""

from pathlib import Path

from exvivo.exports.build import export_file
from exvivo.exports.screen import read_screen
from exvivo.log import start_script

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    screen = read_screen(
        Path(snakemake.input.verdict).parent,
        snakemake.wildcards.screen,
        snakemake.params.contrasts,
    )
    export_file(screen, snakemake.output.export)
