"""The columns of every table that one stage hands to another, and how they are written and read.

Parquet for machines, TSV for people (DESIGN.md, section 4). A table is checked against its schema when it
is written and when it is read: a missing column, an extra one or a value of another type is an error.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from exvivo.errors import StoreError
from exvivo.files import replacing

_TEXT, _NUMBER, _COUNT, _FLAG = pa.string(), pa.float64(), pa.int64(), pa.bool_()

READOUT = pa.schema(
    [
        ("plate", _TEXT),  # id in plates.tsv
        ("well", _TEXT),  # B02
        ("value", _NUMBER),  # the readout's own unit; missing where it could not be measured
        ("flag", _TEXT),  # empty, or reasons joined by ";"
    ]
)

# What the models of a cross-fit say of every well of the screen: how much models that saw other controls differ.
FOLDS = pa.schema(
    [
        ("plate", _TEXT),
        ("well", _TEXT),
        ("fold", pa.int64()),  # from 1: the controls that this model did not see
        ("value", _NUMBER),  # viability, fraction
    ]
)

LAYOUT = pa.schema(
    [
        ("plate", _TEXT),  # plate id in plates.tsv
        ("layout_plate", _TEXT),  # the layout's own name for the plate
        ("well", _TEXT),
        ("role", _TEXT),  # one of exvivo.sheets.layouts.ROLES
        ("well_type", _TEXT),  # the layout's own word for the role
        ("treatment", _TEXT),  # empty where there is none
        ("concentration", _NUMBER),  # nM, missing where there is none
        ("replicate", _COUNT),  # 1-based
        ("addon", _TEXT),
        ("sample", _TEXT),
    ]
)

RESPONSES = pa.schema(
    [
        ("screen", _TEXT),
        ("readout", _TEXT),
        ("plate", _TEXT),
        ("well", _TEXT),
        ("role", _TEXT),
        ("well_type", _TEXT),
        ("treatment", _TEXT),
        ("concentration", _NUMBER),  # nM
        ("replicate", _COUNT),
        ("addon", _TEXT),
        ("value", _NUMBER),  # the readout
        ("viability", _NUMBER),  # fraction: 1 negative control, 0 positive control; not clipped
        ("flag", _TEXT),
        ("used", _FLAG),  # enters fits and quality
    ]
)

CURVES = pa.schema(
    [
        ("screen", _TEXT),
        ("readout", _TEXT),
        ("role", _TEXT),  # treatment, or titration (a control given as a dose series)
        ("treatment", _TEXT),
        ("addon", _TEXT),
        ("replicate", _COUNT),  # 0 for the fit over all replicates
        ("status", _TEXT),  # ok, inverted, failed, no_curve
        ("reason", _TEXT),
        ("n_points", _COUNT),
        ("n_doses", _COUNT),
        ("n_parameters", _COUNT),
        ("bottom", _NUMBER),  # inhibition, fraction
        ("top", _NUMBER),
        ("x_mid", _NUMBER),  # log10 nM
        ("slope", _NUMBER),
        ("asymmetry", _NUMBER),
        ("objective", _NUMBER),
        ("gof", _NUMBER),
        ("min_concentration", _NUMBER),
        ("max_concentration", _NUMBER),
    ]
)

BANDS = pa.schema(
    [
        ("screen", _TEXT),
        ("readout", _TEXT),
        ("role", _TEXT),
        ("treatment", _TEXT),
        ("addon", _TEXT),
        ("concentration", _NUMBER),  # nM, over the tested doses
        ("low", _NUMBER),  # inhibition, fraction: the ends of the curve's interval at this dose
        ("high", _NUMBER),
    ]
)

SEARCH = pa.schema(
    [
        ("net", _COUNT),  # its number; -1 for the network in use, trained beside the others
        ("layers", _TEXT),  # types and numbers, joined by " · "
        ("depth", _COUNT),
        ("weights", _COUNT),  # trainable parameters
        ("discarded", _COUNT),  # invalid nets that were drawn before it
        ("seconds", _NUMBER),  # of training and judging
        ("train_accuracy", _NUMBER),  # fraction; missing where the training diverged
        ("validation_accuracy", _NUMBER),
        ("test_accuracy", _NUMBER),
        ("reason", _TEXT),  # why there is no accuracy
    ]
)

QUALITY = pa.schema(
    [
        ("screen", _TEXT),
        ("readout", _TEXT),  # empty where it concerns the screen as a whole
        ("scope", _TEXT),  # "screen" or a plate id
        ("metric", _TEXT),
        ("value", _NUMBER),
        ("limit", _TEXT),  # in words: ">= 0.4"; empty where there is none
        ("verdict", _TEXT),  # pass, warn, fail, info
        ("gate", _FLAG),  # a "fail" here puts the screen on hold
        ("note", _TEXT),
    ]
)

# Exposure of each field at full size, taken while its planes are read.
EXPOSURE = pa.schema(
    [
        ("plate", _TEXT),
        ("well", _TEXT),
        ("field", _COUNT),
        ("ceiling", _NUMBER),  # share of MIP's pixels at the largest value that the camera can give
    ]
)

# What the image of each well looks like (exvivo.inspection.measure); medians over its fields, but the most `ceiling`.
IMAGE_QUALITY = pa.schema(
    [
        ("plate", _TEXT),
        ("well", _TEXT),
        ("ground", _NUMBER),  # grey values, as the four that follow
        ("slope_x", _NUMBER),  # rise of the ground across the field
        ("slope_y", _NUMBER),
        ("noise", _NUMBER),
        ("bright", _NUMBER),  # above the ground
        ("fine", _NUMBER),  # standard deviation of the finest structures
        ("fine_corner", _NUMBER),  # the same in the quietest corner
        ("sharpness", _NUMBER),  # finest against coarse structures
        ("off_centre", _NUMBER),  # sides of the field
        ("length", _NUMBER),  # of the most drawn-out bright thing, in its widths
        ("clump", _NUMBER),  # grey values, weighted
        ("ceiling", _NUMBER),  # share of pixels
    ]
)

# Findings on single wells, from all who look at them; a well "" stands for all wells of the plate.
WELL_FLAGS = pa.schema(
    [
        ("plate", _TEXT),
        ("well", _TEXT),
        (
            "check",
            _TEXT,
        ),  # empty, no_stain, off_field, out_of_focus, saturated, fibre, side_light, novel, …
        ("source", _TEXT),  # image, network, layout, decision
        ("value", _NUMBER),  # what was measured, missing where there is no number
        ("limit", _NUMBER),  # beyond which it is flagged
        ("consequence", _TEXT),  # warn, exclude, hold, include
        ("text", _TEXT),  # one sentence
    ]
)


def conform(frame: pd.DataFrame, schema: pa.Schema, *, where: str) -> pa.Table:
    """Return `frame` as an Arrow table of exactly `schema`; `StoreError` names the column that does not fit."""
    missing = [name for name in schema.names if name not in frame.columns]
    extra = [str(name) for name in frame.columns if name not in schema.names]
    if missing or extra:
        raise StoreError(
            "the table has other columns than its schema",
            expected=", ".join(schema.names),
            found=f"missing {missing}, extra {extra}",
            where=where,
            hint="report this: it is a fault of exvivo",
        )
    try:
        return pa.Table.from_pandas(
            frame[schema.names], schema=schema, preserve_index=False, safe=True
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StoreError(
            "a value does not fit its column",
            expected=str(schema),
            found=str(error),
            where=where,
            hint="report this: it is a fault of exvivo",
        ) from error


def write_table(frame: pd.DataFrame, path: Path | str, schema: pa.Schema) -> None:
    """Write `frame` as Parquet, or as TSV if `path` ends in .tsv, whole or not at all."""
    table = conform(frame, schema, where=str(path))
    with replacing(path) as partial:
        if str(path).endswith(".tsv"):
            table.to_pandas().to_csv(partial, sep="\t", index=False, lineterminator="\n")
        else:
            pq.write_table(table, partial)


def read_table(path: Path | str, schema: pa.Schema) -> pd.DataFrame:
    """Read a table that `write_table` wrote; `StoreError` if it is missing, damaged or of another kind."""
    try:
        if str(path).endswith(".tsv"):
            text = {name: str for name in schema.names if schema.field(name).type == _TEXT}
            frame = pd.read_csv(
                path,
                sep="\t",
                dtype=text,
                keep_default_na=False,
                na_values={n: [""] for n in schema.names if n not in text},
            )
        else:
            frame = pq.read_table(path).to_pandas()
    except (OSError, pa.ArrowInvalid, pd.errors.ParserError) as error:
        raise StoreError(
            "cannot read this table",
            expected="a table written by exvivo",
            found=str(error),
            where=str(path),
            hint="remove it and run the workflow again",
        ) from error
    conform(frame, schema, where=str(path))
    return frame
