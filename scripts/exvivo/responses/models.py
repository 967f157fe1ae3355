"""How much a readout depends on the very model that made it: what intervals know of a network's own error.

The models of the cross-fit, each trained without a part of the controls, read the same wells of the same drugs. Where they
differ among themselves and from the screen's own model, a score is not known, however well the replicates agree. Their
variance is pooled over all drugs of the readout as a function of the level of inhibition, as the scatter of wells is
(ours; as in ensembles of networks, Lakshminarayanan et al. 2017). An error that all these models share is not in it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.responses.noise import smooth

Array = NDArray[np.float64]

FEWEST = 3  # models, the screen's own among them, of which a variance is taken


def model_error(
    wells: pd.DataFrame, fitted: Array, others: pd.DataFrame
) -> tuple[Array, Array] | None:
    """Standard deviation between models, and its degrees of freedom, at the levels of `exvivo.responses.noise`.

    Args:
        wells: the used rows of one readout, `exvivo.tables.RESPONSES`.
        fitted: the fitted inhibition (fraction) of each row that has a curve, else missing.
        others: plate, well, fold, viability (fraction) of the same wells by each other model.

    Returns:
        Of the mean over the replicates of a drug and dose. None where too few models saw its wells.

    """
    names = ["role", "treatment", "addon", "concentration"]
    own = wells.assign(level=fitted)[np.isfinite(fitted)]
    both = pd.concat(
        [
            own.assign(fold=0),
            own.drop(columns="viability").merge(others, on=["plate", "well"], how="inner"),
        ]
    )
    read = both[np.isfinite(both["viability"])]
    means = read.pivot_table(index=names, columns="fold", values="viability", dropna=False)
    means = means.dropna()
    if means.shape[1] < FEWEST or not len(means):
        return None
    level = own.groupby(names)["level"].mean().reindex(means.index).to_numpy(dtype=float)
    degrees = np.full(len(means), means.shape[1] - 1.0)
    variance = means.var(axis=1, ddof=1).to_numpy(dtype=float)
    return smooth(level, variance * degrees, degrees)
