"""Say what each score means beside others: healthy controls, other screens, plasma levels, drivers.

Outputs
    `context` (TSV)     one row per row of the scores, see exvivo.context.tables.CONTEXT
    `expected` (TSV)    one row per readout and drug that the sample's drivers let one expect: what was found
    `record` (JSON)     the sample, which references were used, names that two drugs claim, the overlap of
                        expected drugs and hits by readout
"""

from pathlib import Path

from exvivo.context import CONTEXT, Background, DrugNames, context_record, describe_drugs
from exvivo.context.expected import list_expected
from exvivo.context.names import split_list
from exvivo.context.tables import EXPECTED
from exvivo.files import write_json
from exvivo.log import start_script
from exvivo.responses.read import read_scores
from exvivo.responses.reference import read_reference_table
from exvivo.sheets.registry import read_drug_rows
from exvivo.tables import CURVES, read_table, write_table


def main(*, screen, scores, curves, drugs, controls, cohort, own, facts, hit, outputs):
    """Write the context of one screen; `controls`, `cohort` and `drugs` are lists of one file or none."""
    background = Background(
        names=DrugNames.of(read_drug_rows(Path(drugs[0]))) if drugs else DrugNames(),
        drivers=split_list(facts.get("drivers", "")),
        controls=read_reference_table(controls[0]) if controls else None,
        cohort=read_reference_table(cohort[0]) if cohort else None,
        own=own,
        hit=hit,
    )
    table = read_scores(Path(scores))
    context = describe_drugs(table, read_table(curves, CURVES), background)
    expected = list_expected(table, background.names, background.drivers, screen=screen)
    write_table(context, outputs["context"], CONTEXT)
    write_table(expected, outputs["expected"], EXPECTED)
    write_json(outputs["record"], context_record(context, background, facts))


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        screen=snakemake.params.screen,
        scores=snakemake.input.scores,
        curves=snakemake.input.curves,
        drugs=snakemake.input.drugs,
        controls=snakemake.input.controls,
        cohort=snakemake.input.cohort,
        own=snakemake.params.own,
        facts=snakemake.params.facts,
        hit=snakemake.params.hit,
        outputs=dict(snakemake.output.items()),
    )
