"""Build the report of one screen."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exvivo.files import write_text
from exvivo.report.background import background
from exvivo.report.comparison import comparison
from exvivo.report.context import Context
from exvivo.report.curves import curves
from exvivo.report.decisions import decisions as decided
from exvivo.report.images import Thumbnails, thumbnails
from exvivo.report.inputs import Inputs, read_inputs
from exvivo.report.methods import methods
from exvivo.report.montage import montage
from exvivo.report.morphology import morphology
from exvivo.report.placement import placement
from exvivo.report.plates import plates
from exvivo.report.quality import quality
from exvivo.report.ranking import ranking
from exvivo.report.render import ImageScale, Page, Section, page_texts, render
from exvivo.report.repeats import repeats as repeated
from exvivo.report.residuals import residuals
from exvivo.report.seen import count_text, seen
from exvivo.report.solvent import solvent
from exvivo.report.training import training
from exvivo.report.verdict import verdict
from exvivo.report.wells import well_data

logger = logging.getLogger(__name__)


def build_report(
    *,
    screen: str,
    folder: Path | str,
    plates_root: Path | str,
    out: Path | str,
    headline: str = "",
    sample: str = "",
    network: str = "",
    records: Sequence[Path | str] | None = None,
    histories: Sequence[Path | str] | None = None,
    crossfit: Path | str | None = None,
    drugs: Path | str | None = None,
    repeats: Path | str | None = None,
    decisions: Sequence[Path | str] = (),
    contrasts: Mapping[str, Any] | None = None,
    scoring: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write the report of a screen as one HTML file that works offline.

    Args:
        screen: id of the screen.
        folder: results/screens/{screen}, with responses, curves, scores, quality, verdict, admission, layout.
        plates_root: results/plates, with each plate's admission.json and wells.zarr.
        out: the HTML file.
        headline: readout that ranks; the first of the responses if not given.
        sample: pseudonym of the sample.
        network: name of the network, empty for a screen of readout files alone.
        records: sidecars (phase{1,2,3}.json) of the models; looked for in folder/network if None.
        histories: phase{1,2,3}_history.tsv, likewise.
        crossfit: held-out predictions of the controls, likewise.
        drugs: drugs.tsv, for classes and targets.
        repeats: comparisons with repeats of the sample, if there are any; mismatches.tsv and paired.parquet
            lie beside it.
        decisions: decisions.json and decisions.tsv, where people decided something.
        contrasts: the configuration's `readouts`.
        scoring: the configuration's `scoring`.
        settings: the configuration's `report`.

    Raises:
        StoreError: a file that is there cannot be read. A missing file is no error: the report says so.

    """
    inputs = read_inputs(
        screen=screen,
        folder=Path(folder),
        plates_root=Path(plates_root),
        headline=headline,
        network=network,
        records=None if records is None else [Path(p) for p in records],
        histories=None if histories is None else [Path(p) for p in histories],
        crossfit=None if crossfit is None else Path(crossfit),
        drugs=None if drugs is None else Path(drugs),
        repeats=None if repeats is None else Path(repeats),
        decisions=[Path(p) for p in decisions],
        sample=sample,
        contrasts=contrasts or {},
        scoring=scoring or {},
        settings=settings or {},
    )
    text = report_text(inputs)
    write_text(out, text)
    logger.info("report of %s: %.1f MB", screen, len(text) / 1e6)


def report_text(inputs: Inputs) -> str:
    """The HTML text of the report of `inputs`: the same bytes for the same inputs."""
    wells = len(inputs.layout[inputs.layout["role"] != "empty"])
    images = thumbnails(inputs.stores, wells=wells)
    return render(page(Context(inputs, images)))


def page(context: Context) -> Page:
    """The page's values, sections in reading order."""
    inputs, settings = context.inputs, context.inputs.settings
    first = verdict(context)
    sections = _sections(context, first)
    return Page(
        screen=inputs.screen,
        title=str(settings.get("title") or inputs.screen),
        word=first.word,
        held=context.held,
        sections=sections,
        images=ImageScale.of(context.images),
        with_images=bool(context.images.uris),
        facility=str(settings.get("facility") or ""),
        contact=str(settings.get("contact") or ""),
        **page_texts(well_data(context)),
    )


def _sections(context: Context, first: Any) -> list[Section]:
    """All sections. Cards come before controls and data: an image stands where it is met first."""
    drugs, checks = ranking(context), quality(context)
    drawn, shown = curves(context), plates(context)
    again = repeated(context)
    found = seen(context)
    trouble = sum(g.trouble for g in checks.groups if g.headline or not g.readout)
    taken = decided(context)
    by_people = [Section("decisions", "Decisions", taken, _some(len(taken.entries)))]
    return [
        Section("verdict", "Verdict", first),
        Section(
            "ranking", "Drugs" if context.held else "Ranked drugs", drugs, _some(len(drugs.rows))
        ),
        *_solvent(context),
        *_morphology(context),
        Section("background", "In context", background(context)),
        *([Section("repeats", "Repeats", again, _some(len(again.pairs)))] if again else []),
        *(by_people if taken.entries else []),
        Section("quality", "Quality", checks, f"{trouble} to read" if trouble else ""),
        Section("plates", "Plates", shown, _some(len(shown.views))),
        *_placement(context),
        *_residuals(context),
        Section("seen", "Images", found, count_text(found)),
        Section("curves", "Dose–response", drawn),
        Section("montage", "Controls", montage(context)),
        Section("training", "Training", training(context)),
        Section("comparison", "Readouts compared", comparison(context)),
        Section("methods", "Methods and limits", methods(context)),
    ]


def _solvent(context: Context) -> list[Section]:
    """Readouts without a second control, where there are any."""
    found = solvent(context)
    return (
        [Section("solvent", "Against the solvent", found, _some(len(found.rows)))] if found else []
    )


def _morphology(context: Context) -> list[Section]:
    """Marker against morphology, where cells were called by both."""
    found = morphology(context)
    if found is None:
        return []
    return [Section("morphology", "Marker and morphology", found, _some(found.disagree))]


def _placement(context: Context) -> list[Section]:
    """The layout truth test, where there was one."""
    found = placement(context)
    return [Section("placement", "Layout", found, _some(found.wrong))] if found.views else []


def _residuals(context: Context) -> list[Section]:
    """Residual maps, where any curve was fitted."""
    found = residuals(context)
    return [Section("residuals", "Patterns", found, _some(found.trouble))] if found.views else []


def _some(number: int) -> str:
    return str(number) if number else ""


__all__ = ["Thumbnails", "build_report", "page", "report_text"]
