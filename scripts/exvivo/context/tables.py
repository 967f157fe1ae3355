"""Columns of the tables of context and repeats."""

from __future__ import annotations

import pyarrow as pa

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

CONTEXT = pa.schema(
    [
        ("screen", _TEXT),
        ("readout", _TEXT),
        ("treatment", _TEXT),
        ("addon", _TEXT),
        ("drug", _TEXT),  # its name in drugs.tsv; empty where the sheet does not know it
        ("dss_asym", _NUMBER),
        ("hit", _FLAG),
        # Healthy controls: the reference of the selective scores.
        ("control_n", _NUMBER),
        ("control_dss", _NUMBER),  # mean
        ("control_sd", _NUMBER),
        ("sdss_asym", _NUMBER),
        ("zdss_asym", _NUMBER),
        ("rdss_asym", _NUMBER),
        ("control_note", _TEXT),  # why there is none
        # The facility's other screens.
        ("cohort_n", _COUNT),
        ("cohort_median", _NUMBER),
        ("cohort_q25", _NUMBER),
        ("cohort_q75", _NUMBER),
        ("cohort_percentile", _NUMBER),  # percent of the other screens with a lower score
        ("cohort_hit_share", _NUMBER),  # fraction of the other screens
        ("cohort_top_share", _NUMBER),
        ("cohort_note", _TEXT),
        # What reaches a patient's plasma.
        ("max_plasma_nM", _NUMBER),
        ("plasma_place", _TEXT),  # inside, below, above (the tested doses); empty where unknown
        ("effect_at_plasma", _NUMBER),  # fitted inhibition in percent; only inside the tested doses
        ("effect_reachable", _NUMBER),  # at the highest tested dose that plasma reaches
        ("dss_reachable", _NUMBER),  # the part of dss_asym that lies at reachable doses
        ("only_above_plasma", _FLAG),  # a score above 0 that comes from unreachable doses alone
        # Drivers of the sample.
        ("expected_for", _TEXT),  # drivers of the sample for which drugs.tsv expects it to work
        ("badges", _TEXT),  # of exvivo.context.drugs.BADGES, joined by ";"
    ]
)

EXPECTED = pa.schema(
    [
        ("screen", _TEXT),
        ("readout", _TEXT),
        ("drug", _TEXT),
        ("drivers", _TEXT),
        ("found", _TEXT),  # hit, not a hit, no score, not tested
        ("dss_asym", _NUMBER),
        ("rank", _NUMBER),
    ]
)

_SIDES = ("a", "b")
PAIR = [
    ("sample", _TEXT),
    ("kind", _TEXT),  # repeat (measured by the same means again), or modality (by other means)
    ("screen_a", _TEXT),
    ("readout_a", _TEXT),
    ("screen_b", _TEXT),
    ("readout_b", _TEXT),
]

REPEATS = pa.schema(
    [
        *PAIR,
        (
            "level",
            _TEXT,
        ),  # dss (a pair per drug), or curve (fitted inhibition in percent at shared doses)
        ("n", _COUNT),
        ("pearson", _NUMBER),
        ("pearson_low", _NUMBER),
        ("pearson_high", _NUMBER),
        ("spearman", _NUMBER),
        ("ccc", _NUMBER),
        ("bias", _NUMBER),  # b minus a
        ("sd", _NUMBER),
        ("limit_low", _NUMBER),
        ("limit_high", _NUMBER),
        ("hits_a", _COUNT),  # by the published definition, of the drugs that both have
        ("hits_b", _COUNT),
        ("hits_both", _COUNT),
        ("n_other_doses", _COUNT),  # drugs that were tested at other doses
        *((f"verdict_{side}", _TEXT) for side in _SIDES),
    ]
)

PAIRED = pa.schema(
    [
        *PAIR,
        ("treatment", _TEXT),  # as side a calls it
        ("addon", _TEXT),
        *((f"dss_{side}", _NUMBER) for side in _SIDES),
        ("curve_difference", _NUMBER),
    ]
)

MISMATCHES = pa.schema(
    [
        *PAIR,
        ("treatment", _TEXT),  # as side a calls it
        ("addon", _TEXT),
        *((f"dss_{side}", _NUMBER) for side in _SIDES),
        *((f"dss_{side}_{end}", _NUMBER) for side in _SIDES for end in ("low", "high")),
        *((f"hit_{side}", _FLAG) for side in _SIDES),  # by the headline rule
        ("curve_difference", _NUMBER),  # mean absolute difference of fitted inhibition, percent
        ("other_doses", _FLAG),
        *((f"gof_{side}", _NUMBER) for side in _SIDES),
        *((f"replicates_{side}", _TEXT) for side in _SIDES),  # DSS_asym of single replicates
        *((f"status_{side}", _TEXT) for side in _SIDES),
        *((f"z_prime_{side}", _NUMBER) for side in _SIDES),  # the one that counts, over the screen
        *((f"replicate_pearson_{side}", _NUMBER) for side in _SIDES),
        *((f"verdict_{side}", _TEXT) for side in _SIDES),
    ]
)
