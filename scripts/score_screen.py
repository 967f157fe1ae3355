"""Normalise the readouts of a screen, fit dose–response curves, and score every drug.

Outputs
    `responses` (Parquet)   one row per readout and well: value, viability (fraction, not clipped), flag, used
    `curves` (Parquet)      one row per readout, drug and replicate (0: all): parameters, status, goodness of fit
    `scores` (TSV)          one row per readout and drug: DSS_asym and other scores, IC values (nM), intervals, hit, rank
    `bands` (Parquet)       41 rows per readout and drug: the curve's interval at a dose, inhibition (fraction)
All without rows where the screen cannot be scored; its admission.json says why.
"""

from exvivo.files import read_json
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.readiness import READY
from exvivo.readouts import read_by_name
from exvivo.responses import read_reference, score_responses, scores_schema
from exvivo.responses.screen import model_responses, screen_responses
from exvivo.tables import BANDS, CURVES, FOLDS, LAYOUT, RESPONSES, read_table, write_table


def main(
    *,
    screen,
    layout,
    admission,
    flags,
    files,
    folds,
    contrasts,
    plates_of,
    scoring,
    reference,
    responses,
    curves,
    scores,
    bands,
):
    """Write responses, curves and scores of one screen; `files` are the tables of all its readouts,
    `folds` what the models of its cross-fit say, if there are any.
    """
    ready = read_json(admission)["verdict"] == READY
    wells = read_table(layout, LAYOUT)
    how = {"screen": screen, "contrasts": contrasts, "plates_of": plates_of}
    how["excluded"] = excluded_wells(read_flags([flags]))
    joined = screen_responses(wells, read_by_name(files, plates_of) if ready else {}, **how)
    models = model_responses(wells, [read_table(path, FOLDS) for path in folds], **how)
    healthy = read_reference(reference) if reference else None
    how = {"contrasts": contrasts, "reference": healthy, "models": models}
    fits, table, band = score_responses(joined, scoring, **how)
    write_table(joined, responses, RESPONSES)
    write_table(fits, curves, CURVES)
    write_table(table, scores, scores_schema(table))
    write_table(band, bands, BANDS)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        screen=snakemake.params.screen,
        layout=snakemake.input.layout,
        admission=snakemake.input.admission,
        flags=snakemake.input.flags,
        files=snakemake.input.readouts,
        folds=snakemake.input.folds,
        contrasts=snakemake.params.contrasts,
        plates_of=snakemake.params.plates_of,
        scoring=snakemake.params.scoring,
        reference=next(iter(snakemake.input.get("reference", [])), None),
        responses=snakemake.output.responses,
        curves=snakemake.output.curves,
        scores=snakemake.output.scores,
        bands=snakemake.output.bands,
    )
