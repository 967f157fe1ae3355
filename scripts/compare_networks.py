"""Put networks for cells beside each other: the sample's own one, that of all samples, that of its diagnosis.

Output `networks` (TSV): a row per screen. Shares of cells whose weak label a network agrees with, among cells it has not
learnt from: `own` (missing where a released network is used), `all_cells`, `all_new_sample`, `diagnosis_cells`, `diagnosis_new_sample`.
"""

from pathlib import Path

import pandas as pd

from exvivo.files import read_json, replacing
from exvivo.log import start_script


def main(*, screens, choices, tables, networks):
    """Write the comparison; `screens` are `exvivo.celltargets.pan_facts`, `tables` are by scope."""
    by_scope = {scope: pd.read_csv(path, sep="\t").set_index("sample") for scope, path in tables}
    rows = []
    for one, choice in zip(screens, choices, strict=True):
        marker = read_json(choice)["marker"]
        row = {"screen": one["screen"], "sample": one["sample"], "diagnosis": one["diagnosis"]}
        row |= {"marker": marker, "own": _own(one["records"], marker)}
        for name, scope in (("all", "all"), ("diagnosis", one["scope"])):
            table = by_scope.get(scope) if scope else None
            known = table is not None and one["sample"] in table.index
            for column in ("cells", "new_sample"):
                found = table.loc[one["sample"], f"accuracy_{column}"] if known else float("nan")
                row[f"{name}_{column}"] = float(found)
        rows.append(row)
    with replacing(networks) as partial:
        pd.DataFrame(rows).to_csv(partial, sep="\t", index=False, float_format="%.4g")


def _own(records, marker):
    """Accuracy of the screen's own network of that marker on cells held out."""
    own = [read_json(path) for path in records if Path(path).stem == marker]
    return (
        own[0].get("metrics", {}).get("test", {}).get("accuracy", float("nan"))
        if own
        else float("nan")
    )


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        screens=snakemake.params.screens,
        choices=snakemake.input.choices,
        tables=list(zip(snakemake.params.scopes, snakemake.input.tables, strict=True)),
        networks=snakemake.output.networks,
    )
