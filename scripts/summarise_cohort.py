"""One line per screen that is open or has a release.

Output `screens` (TSV): screen, verdict (`pass`, `accepted`, `hold`), reasons, headline, n_drugs, n_hits (empty on hold), release (`v1`;
empty while the screen is open).
"""

from pathlib import Path

import pandas as pd

from exvivo.files import read_json, replacing
from exvivo.log import start_script


def main(*, names, verdicts, scores, releases, screens):
    """Write the table of screens."""
    rows = [summarise(*row) for row in zip(names, verdicts, scores, strict=True)]
    rows = [[*row, Path(releases.get(row[0], "")).name] for row in rows]
    columns = ["screen", "verdict", "reasons", "headline", "n_drugs", "n_hits", "release"]
    with replacing(screens) as partial:
        pd.DataFrame(rows, columns=columns).to_csv(partial, sep="\t", index=False)


def summarise(name, verdict, scores):
    """The line of one screen; a screen on hold has no number of hits."""
    decision = read_json(verdict)
    table = pd.read_csv(scores, sep="\t", dtype={"treatment": str}, keep_default_na=False)
    own = table[table["readout"] == decision["headline"]]
    hits = (own["hit"].astype(str) == "True").sum() if decision["verdict"] != "hold" else ""
    reasons = "; ".join(map(str, decision["reasons"]))
    return [name, decision["verdict"], reasons, decision["headline"], len(own), hits]


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        names=snakemake.params.screens,
        verdicts=snakemake.input.verdicts,
        scores=snakemake.input.scores,
        releases=snakemake.params.releases,
        screens=snakemake.output.screens,
    )
