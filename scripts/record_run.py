"""Write down what the results of a screen were made from.

Outputs
    `record` (JSON)   digests of inputs, models, code and results, settings, decisions; apart from them versions and times
    `crate` (JSON)    the same as RO-Crate metadata of the screen's folder
"""

import time

from exvivo.files import write_json
from exvivo.log import start_script
from exvivo.runrecord.build import build_record
from exvivo.runrecord.crate import crate as crate_of


def main(*, record, crate, **facts):
    """Write run record and crate of one screen."""
    content = build_record(**facts)
    write_json(record, content)
    write_json(crate, crate_of(content, time.strftime("%Y-%m-%d", time.gmtime())))


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        screen=snakemake.params.screen,
        sheet=snakemake.params.sheet,
        plates=snakemake.params.plates,
        settings=snakemake.params.settings,
        decisions=snakemake.params.decisions,
        code=snakemake.params.rules,
        layouts=snakemake.input.layouts,
        reference=snakemake.input.get("reference", []),
        models=snakemake.input.get("models", []),
        record=snakemake.output.record,
        crate=snakemake.output.crate,
    )
