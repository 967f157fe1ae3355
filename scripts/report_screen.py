"""Write the report of one screen.

Output `report` (HTML): one file that works offline; verdict first, then ranking (none on hold), quality, plates,
curves with the images of each dose, controls, training, methods.
"""

from pathlib import Path

from exvivo.log import start_script
from exvivo.report.build import build_report

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    build_report(
        screen=snakemake.params.screen,
        folder=Path(snakemake.input.responses).parent,
        plates_root=Path("results/plates"),
        out=snakemake.output.report,
        headline=snakemake.params.headline,
        sample=snakemake.params.sample,
        network=snakemake.params.network,
        records=[Path(path) for path in snakemake.input.records],
        histories=[Path(path) for path in snakemake.input.histories],
        crossfit=Path(snakemake.input.crossfit[0]) if snakemake.input.crossfit else None,
        drugs=next(iter(snakemake.input.drugs), None),
        repeats=next(iter(snakemake.input.repeats), None),
        decisions=snakemake.input.decisions,
        contrasts=snakemake.params.contrasts,
        scoring=snakemake.params.scoring,
        settings=snakemake.params.report,
    )
