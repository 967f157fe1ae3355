"""Weigh what people decided about a screen: score it again without each decision, and without all.

Outputs
    `effects` (JSON)   one entry per decision: its row, what it changes in words, how many scores and hits
    `moved` (TSV)      one row per decision, readout and drug that moves: DSS_asym, rank, hit before and after
"""

import pandas as pd

from exvivo.effects import weigh
from exvivo.files import read_json, replacing, write_json
from exvivo.inspection.flags import read_flags
from exvivo.log import start_script
from exvivo.readiness import READY
from exvivo.readouts import read_by_name
from exvivo.responses import read_reference
from exvivo.responses.read import read_scores
from exvivo.responses.screen import model_responses, score_responses, screen_responses
from exvivo.sheets.decisions import Decision
from exvivo.tables import FOLDS, LAYOUT, read_table


def main(*, decisions, given, paths, scoring, effects, moved):
    """Write what the decisions change; `given` holds screen, contrasts as configured, plates of each readout."""
    wells = read_table(paths.layout, LAYOUT)
    ready = read_json(paths.admission)["verdict"] == READY
    values = read_by_name(paths.readouts, given["plates_of"]) if ready else {}
    folds = [read_table(path, FOLDS) for path in paths.folds]
    names = iter(paths.get("reference", []))
    reference = next((read_reference(name) for name in names), None)

    def score(contrasts, excluded):
        own = {"screen": given["screen"], "plates_of": given["plates_of"], "contrasts": contrasts}
        responses = screen_responses(wells, values, excluded=excluded, **own)
        models = model_responses(wells, folds, excluded=excluded, **own)
        how = {"contrasts": contrasts, "reference": reference, "models": models}
        return score_responses(responses, scoring, **how)[1]

    rows, table = weigh(
        [Decision(**row) for row in decisions],
        score=score,
        scores=read_scores(paths.scores),
        flags=read_flags([paths.flags]),
        layout=wells,
        contrasts=given["contrasts"],
        verdict=read_json(paths.verdict),
    )
    write_json(effects, rows)
    with replacing(moved) as partial:
        columns = ["decision", *(name for name in table if name != "decision")]
        pd.DataFrame(table, columns=columns).to_csv(partial, sep="\t", index=False)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        decisions=snakemake.params.decisions,
        given=snakemake.params.given,
        paths=snakemake.input,
        scoring=snakemake.params.scoring,
        effects=snakemake.output.effects,
        moved=snakemake.output.moved,
    )
