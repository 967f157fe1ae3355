"""A made-up screen with everything that context can know of it, for the tests of tables, pages and figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.context import (
    CONTEXT,
    Background,
    DrugNames,
    Source,
    build_reference,
    context_record,
    describe_drugs,
    reference_text,
)
from exvivo.context.expected import list_expected
from exvivo.context.repeats import Screened, compare, pairs_of
from exvivo.context.tables import EXPECTED, MISMATCHES, PAIRED, REPEATS
from exvivo.files import read_json, write_json
from exvivo.responses.read import read_scores
from exvivo.responses.reference import read_reference_table
from exvivo.tables import CURVES, QUALITY, read_table, write_table

DRUG_ROWS = [
    {"drug": "Trametinib", "synonyms": "GSK1120212", "class": "kinase inhibitor", "target": "MEK", "expected_for": "BRAF V600E; NF1", "max_plasma_nM": "40"},
    {"drug": "Vemurafenib", "synonyms": "PLX4032", "class": "kinase inhibitor", "target": "BRAF", "expected_for": "BRAF V600E", "max_plasma_nM": "126000"},
    {"drug": "Selumetinib", "synonyms": "", "class": "kinase inhibitor", "target": "MEK", "expected_for": "BRAF V600E", "max_plasma_nM": "1.5"},
    {"drug": "Larotrectinib", "synonyms": "", "class": "kinase inhibitor", "target": "TRK", "expected_for": "NTRK", "max_plasma_nM": "0.2"},
    {"drug": "Binimetinib", "synonyms": "MEK162", "class": "kinase inhibitor", "target": "MEK", "expected_for": "BRAF V600E", "max_plasma_nM": ""},
]  # fmt: skip


def moved(scores: pd.DataFrame, screen: str, seed: int, spread: float = 3.0) -> pd.DataFrame:
    """The scores of another screen of the facility."""
    rng = np.random.default_rng(seed)
    shift = rng.normal(0, spread, len(scores))
    score = (scores["dss_asym"] + shift).clip(lower=0)
    adjusted = score * scores["gof"]
    return scores.assign(screen=screen, dss_asym=score, dss_asym_adj=adjusted, hit=score > 10)


def with_context(screen, *, cohort: int = 12, healthy: int = 6, repeat: bool = True) -> Path:
    """Write context.tsv, expected.tsv, context.json, repeats.tsv … beside the screen's other files."""
    folder = screen.folder
    scores = read_scores(folder / "scores.tsv").assign(screen=screen.name)
    scores["dss_asym_adj"] = scores["dss_asym"] * scores["gof"]
    curves = read_table(folder / "curves.parquet", CURVES)
    names = DrugNames.of(DRUG_ROWS)
    files = {}
    for kind, count, spread in (("healthy", healthy, 6.0), ("cohort", cohort, 4.0)):
        sources = [
            Source(f"{kind}{i}", moved(scores, f"{kind}{i}", i, spread), "0" * 64)
            for i in range(count)
        ]
        files[kind] = folder.parent / f"{kind}.tsv"
        files[kind].write_text(
            reference_text(f"{kind}-1", sources, build_reference(sources, names))
        )
    background = Background(
        names, ["BRAF V600E"], read_reference_table(files["healthy"]), read_reference_table(files["cohort"]), [screen.name]
    )  # fmt: skip
    context = describe_drugs(scores, curves, background)
    write_table(context, folder / "context.tsv", CONTEXT)
    expected = list_expected(scores, names, background.drivers, screen=screen.name)
    write_table(expected, folder / "expected.tsv", EXPECTED)
    facts = {"diagnosis": "glioma", "drivers": "BRAF V600E", "material": "frozen"}
    write_json(folder / "context.json", context_record(context, background, facts))
    if repeat:
        quality = read_table(folder / "quality.tsv", QUALITY)
        verdict = {
            "readouts": {name: {"verdict": "pass"} for name in dict.fromkeys(scores["readout"])}
        }
        own = Screened(screen.name, scores, curves, quality, verdict)
        other = Screened("DEMO_V2_DS1", moved(scores, "DEMO_V2_DS1", 99), curves, quality, verdict)
        pairs = pairs_of(own, [other], [screen.name, other.screen])
        for table, name, schema in zip(
            compare(pairs, sample="S-0042", names=names),
            ("repeats.tsv", "mismatches.tsv", "paired.parquet"),
            (REPEATS, MISMATCHES, PAIRED),
            strict=True,
        ):
            write_table(table, folder / name, schema)
    return folder


__all__ = ["DRUG_ROWS", "moved", "read_json", "with_context"]
