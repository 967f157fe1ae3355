"""What a report is made from: the files of a screen, and why some of them are not there."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from exvivo import tables
from exvivo.context.names import DrugNames
from exvivo.context.tables import CONTEXT, EXPECTED, MISMATCHES, PAIRED, REPEATS
from exvivo.errors import StoreError
from exvivo.figures.words import percent
from exvivo.files import digest_file, read_json
from exvivo.responses.read import SCORE_TEXT, no_scores, read_scores
from exvivo.sheets.registry import read_drug_rows

# Columns of the moved scores whose empty cells are missing numbers.
_NUMBERS = {f"{name}_{when}": [""] for name in ("dss_asym", "rank") for when in ("before", "after")}
_PHASE = re.compile(r"phase([123])")


@dataclass(frozen=True)
class Phase:
    """One training phase: `record` the model's sidecar, `history` a row per epoch, or why there is none."""

    number: int
    record: dict[str, Any] = field(default_factory=dict)
    history: pd.DataFrame | None = None
    skipped: str = ""


@dataclass(frozen=True)
class Inputs:
    """All that a report reads, already in memory except for the images.

    Attributes: `headline` the readout that ranks; `admissions` the admission of each plate that has one;
    `stores` the image store of each plate that has one; `decisions` what people decided and `moved` which scores
    that moves (`exvivo.effects.weigh`); `missing` the inputs that are not there, with the reason; `context`,
    `expected`, `background`, `repeats`, `mismatches`, `paired` as `exvivo.context` makes them, empty where nothing is
    known or nothing compared; `digests` the SHA-256 of each file read, by file name; `run_digest` that of the
    run record.
    """

    screen: str
    headline: str
    sample: str = ""
    network: str = ""
    verdict: dict[str, Any] = field(default_factory=dict)
    admission: dict[str, Any] = field(default_factory=dict)
    layout_truth: dict[str, Any] = field(default_factory=dict)
    layout: pd.DataFrame = field(default_factory=pd.DataFrame)
    responses: pd.DataFrame = field(default_factory=pd.DataFrame)
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    bands: pd.DataFrame = field(default_factory=pd.DataFrame)
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    quality: pd.DataFrame = field(default_factory=pd.DataFrame)
    flags: pd.DataFrame = field(default_factory=pd.DataFrame)
    crossfit: pd.DataFrame | None = None
    admissions: dict[str, dict[str, Any]] = field(default_factory=dict)
    stores: dict[str, Path] = field(default_factory=dict)
    phases: dict[int, Phase] = field(default_factory=dict)
    drugs: DrugNames = field(default_factory=DrugNames)
    context: pd.DataFrame = field(default_factory=pd.DataFrame)
    expected: pd.DataFrame = field(default_factory=pd.DataFrame)
    background: dict[str, Any] = field(default_factory=dict)
    repeats: pd.DataFrame = field(default_factory=pd.DataFrame)
    mismatches: pd.DataFrame = field(default_factory=pd.DataFrame)
    paired: pd.DataFrame = field(default_factory=pd.DataFrame)
    contrasts: Mapping[str, Any] = field(default_factory=dict)
    scoring: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    moved: pd.DataFrame = field(default_factory=pd.DataFrame)
    missing: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)
    run_digest: str = ""

    @property
    def readouts(self) -> list[str]:
        """Names of the readouts in the responses, the headline first."""
        names = list(dict.fromkeys(self.responses["readout"])) if len(self.responses) else []
        return sorted(names, key=lambda name: name != self.headline)

    @property
    def hit(self) -> float:
        """The score above which a drug is a hit."""
        return float(self.scoring.get("hit") or 10.0)

    @property
    def interval(self) -> str:
        """What the intervals hold, in words: "95 %"."""
        return percent((self.scoring.get("bootstrap") or {}).get("level", 0.95))

    def of(self, readout: str) -> pd.DataFrame:
        """Responses of one readout."""
        return self.responses[self.responses["readout"] == readout]


@dataclass
class _Reader:
    """Reads files that may be absent, and keeps account of both."""

    missing: dict[str, str] = field(default_factory=dict)
    digests: dict[str, str] = field(default_factory=dict)

    def found(self, path: Path) -> bool:
        """Whether the file is there; a note in `missing` or `digests`."""
        if not path.is_file():
            self.missing[path.name] = "the file does not exist"
            return False
        self.digests[path.name] = digest_file(path)
        return True

    def table(self, path: Path, schema: pa.Schema) -> pd.DataFrame:
        """The table, or an empty one of the same columns."""
        if self.found(path):
            return tables.read_table(path, schema)
        return pd.DataFrame({name: [] for name in schema.names})

    def known(self, path: Path | None, schema: pa.Schema) -> pd.DataFrame:
        """The table, or an empty one where nobody made it: that is nothing amiss."""
        there = path is not None and path.is_file()
        return self.table(path, schema) if there else schema.empty_table().to_pandas()

    def json(self, path: Path) -> dict[str, Any]:
        """The content, or nothing."""
        return read_json(path) if self.found(path) else {}


def read_inputs(
    *,
    screen: str,
    folder: Path,
    plates_root: Path,
    headline: str = "",
    network: str = "",
    records: Sequence[Path] | None = None,
    histories: Sequence[Path] | None = None,
    crossfit: Path | None = None,
    drugs: Path | None = None,
    repeats: Path | None = None,
    decisions: Sequence[Path] = (),
    **settings: Any,
) -> Inputs:
    """Read the files of a screen (`folder` = results/screens/{screen}) and of its plates.

    Missing files are noted, damaged ones raise `StoreError`. Models and cross-fit are looked for in
    `folder/{network}` where they are not given; `settings` are the other attributes of `Inputs`.
    """
    reader = _Reader()
    models = folder / network if network else None
    if crossfit is None and models is not None:
        crossfit = models / "crossfit.parquet"
    responses = reader.table(folder / "responses.parquet", tables.RESPONSES)
    layout = reader.table(folder / "layout.parquet", tables.LAYOUT)
    scores = folder / "scores.tsv"
    plates = list(dict.fromkeys([*layout["plate"], *responses["plate"]]))
    if not headline and len(responses):
        headline = str(responses["readout"].iloc[0])
    admissions = {p: plates_root / p / "admission.json" for p in plates}
    stores = {p: plates_root / p / "wells.zarr" for p in plates}
    return Inputs(
        screen=screen,
        headline=headline,
        network=network,
        verdict=reader.json(folder / "verdict.json"),
        admission=reader.json(folder / "admission.json"),
        layout_truth=_optional_json(reader, folder / "layout_truth.json"),
        layout=layout,
        responses=responses,
        curves=reader.table(folder / "curves.parquet", tables.CURVES),
        bands=reader.table(folder / "bands.parquet", tables.BANDS),
        scores=read_scores(scores) if reader.found(scores) else no_scores(),
        quality=reader.table(folder / "quality.tsv", tables.QUALITY),
        flags=reader.table(folder / "well_flags.parquet", tables.WELL_FLAGS),
        crossfit=_crossfit(crossfit),
        admissions={p: read_json(path) for p, path in admissions.items() if path.is_file()},
        stores={p: path for p, path in stores.items() if path.is_dir()},
        phases=_phases(models, records, histories),
        drugs=DrugNames.of(read_drug_rows(drugs)) if drugs else DrugNames(),
        context=reader.known(folder / "context.tsv", CONTEXT),
        expected=reader.known(folder / "expected.tsv", EXPECTED),
        background=read_json(record) if (record := folder / "context.json").is_file() else {},
        repeats=reader.known(repeats, REPEATS),
        mismatches=reader.known(repeats and repeats.with_name("mismatches.tsv"), MISMATCHES),
        paired=reader.known(repeats and repeats.with_name("paired.parquet"), PAIRED),
        decisions=next((reader.json(p) for p in decisions if p.suffix == ".json"), []),
        moved=next((_moved(p) for p in decisions if p.suffix == ".tsv"), pd.DataFrame()),
        missing=reader.missing,
        digests=reader.digests,
        run_digest=_run_digest(folder / "run_record.json"),
        **settings,
    )


def _optional_json(reader: _Reader, path: Path) -> dict[str, Any]:
    """The content of a file that older results do not have."""
    return reader.json(path) if path.is_file() else {}


def _run_digest(path: Path) -> str:
    """What the run record calls itself: digest of all that the results were made from, and of the results."""
    return str(read_json(path)["digest"]) if path.is_file() else ""


def _crossfit(path: Path | None) -> pd.DataFrame | None:
    """Held-out predictions of the controls; None where no network was fine-tuned."""
    if path is None or not path.is_file():
        return None
    try:
        return pd.read_parquet(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise StoreError("cannot read this table", found=str(error), where=path.name) from error


def _moved(path: Path) -> pd.DataFrame:
    """The scores that decisions move; names stay texts, whatever a drug is called."""
    texts = dict.fromkeys(("decision", *SCORE_TEXT), str)
    try:
        return pd.read_csv(path, sep="\t", dtype=texts, keep_default_na=False, na_values=_NUMBERS)
    except (OSError, ValueError) as error:
        raise StoreError("cannot read this table", found=str(error), where=path.name) from error


def _phases(
    models: Path | None, records: Sequence[Path] | None, histories: Sequence[Path] | None
) -> dict[int, Phase]:
    """Training phases by number, from their sidecars and histories."""
    if models is not None and records is None:
        records = sorted(models.glob("phase[123].json"))
    if models is not None and histories is None:
        histories = sorted(models.glob("phase[123]_history.tsv"))
    sidecars = {_number(path): read_json(path) for path in records or () if path.is_file()}
    by_epoch = {_number(path): _history(path) for path in histories or () if path.is_file()}
    numbers = sorted(set(sidecars) | set(by_epoch))
    return {n: _phase(n, sidecars.get(n, {}), by_epoch.get(n)) for n in numbers}


def _phase(number: int, record: dict[str, Any], history: pd.DataFrame | None) -> Phase:
    skipped = str(record.get("skipped") or "")
    empty = history is None or not len(history)
    return Phase(number, record, None if empty else history, skipped)


def _number(path: Path) -> int:
    match = _PHASE.match(path.name)
    if not match:
        raise StoreError("this is not a file of a training phase", found=path.name)
    return int(match[1])


def _history(path: Path) -> pd.DataFrame:
    """One row per epoch; a table with a row per epoch and split is widened to validation_… columns."""
    try:
        table = pd.read_csv(path, sep="\t")
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except (OSError, ValueError) as error:
        raise StoreError("cannot read this history", found=str(error), where=path.name) from error
    if "split" not in table:
        return table
    held_out = table["split"].astype(str).str.startswith("val")
    validation = table[held_out].drop(columns="split").add_prefix("validation_")
    trained = table[~held_out].drop(columns="split")
    return trained.merge(validation, how="left", left_on="epoch", right_on="validation_epoch")
