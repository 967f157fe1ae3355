"""Write the page of the facility.

Outputs
    `controls` (TSV)    control charts: each metric of the controls by readout and plate, with the rules it breaks
    `report` (HTML)     screens with verdicts, control charts, drugs across screens, repeats; one offline file
"""

from exvivo.cohort.charts import CHART, chart_table
from exvivo.cohort.load import load_screens
from exvivo.cohort.page import build_cohort_page
from exvivo.context.tables import MISMATCHES, REPEATS
from exvivo.log import start_script
from exvivo.tables import read_table, write_table


def main(*, given, params, controls, report):
    """Write chart and page; `given` are the inputs, in the order of the screens where there is one per screen."""
    screens = load_screens(
        params.screens,
        {"verdict": given.verdicts, "scores": given.scores, "quality": given.quality},
        samples=params.samples,
        releases=params.releases,
    )
    chart = chart_table(screens, params.plates, baseline=params.baseline)
    write_table(chart, controls, CHART)
    build_cohort_page(
        screens,
        chart,
        read_table(given.repeats, REPEATS),
        read_table(given.mismatches, MISMATCHES),
        report,
        hit=params.hit,
        settings=params.report,
        diagnoses=params.diagnoses,
        classes=params.classes,
    )


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        given=snakemake.input,
        params=snakemake.params,
        controls=snakemake.output.controls,
        report=snakemake.output.report,
    )
