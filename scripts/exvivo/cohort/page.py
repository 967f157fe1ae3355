"""The cohort's page: screens with their verdicts, control charts, drugs across screens, repeats. One offline file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

import exvivo
from exvivo.cohort.charts import METRICS, RULES, WARNING
from exvivo.cohort.load import CohortScreen
from exvivo.cohort.overview import drug_map
from exvivo.cohort.responses import CohortResponses, cohort_responses
from exvivo.figures.control_chart import Reading, control_chart
from exvivo.figures.svg import Figure
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import MISSING, count, fixed, known
from exvivo.files import write_text
from exvivo.report.context import readout_name, spoken
from exvivo.report.render import RESEARCH_USE, TEMPLATES, environment, page_parts

OWN = Path(__file__).parent / "templates"
_TITLES = {"z_prime": "Robust Z′ (cross-fitted where trained)", "control_cv": "CV of the negative control (%)", "signal_to_background": "Signal to background"}  # fmt: skip
_MOST_MISMATCHES = 200


@dataclass(frozen=True)
class Line:
    """One screen of the table, texts as shown."""

    screen: str
    href: str
    sample: str
    verdict: str
    held: bool
    headline: str
    drugs: str
    hits: str
    z_prime: str
    replicates: str
    note: str
    release: str


@dataclass(frozen=True)
class Chart:
    """One readout's control charts: those of Z′ first; `flagged` tells plates out of control."""

    readout: str
    title: str
    figures: list[Figure]
    flagged: list[tuple[str, str, str, str]]
    note: str


@dataclass(frozen=True)
class RepeatLine:
    """One pair of repeats."""

    sample: str
    kind: str
    first: str
    second: str
    drugs: str
    pearson: str
    ccc: str
    difference: str
    changed: str
    held: bool


@dataclass(frozen=True)
class CohortPage:
    """Everything that the template needs."""

    title: str
    facts: list[tuple[str, str]]
    lines: list[Line]
    charts: list[Chart]
    map: Figure | None
    repeats: list[RepeatLine]
    mismatches: list[dict[str, str]]
    more_mismatches: int
    texts: Mapping[str, Any]
    rules: Mapping[str, str]
    responses: CohortResponses | None = None
    contact: str = ""
    version: str = exvivo.__version__
    research_use: str = RESEARCH_USE


def build_cohort_page(
    screens: Sequence[CohortScreen],
    chart: pd.DataFrame,
    repeats: pd.DataFrame,
    mismatches: pd.DataFrame,
    out: Path | str,
    *,
    hit: float = 10.0,
    settings: Mapping[str, Any] | None = None,
    diagnoses: Mapping[str, str] | None = None,
    classes: Mapping[str, str] | None = None,
) -> None:
    """Write the page: equal bytes for equal inputs.

    Args:
        screens: in the order of screens.tsv.
        chart: `exvivo.cohort.charts.CHART`.
        repeats: `exvivo.context.tables.REPEATS` of all pairs.
        mismatches: `exvivo.context.tables.MISMATCHES` of all pairs.
        out: the HTML file.
        hit: the score above which a drug is a hit.
        settings: section `report` of the configuration.
        diagnoses: by sample.
        classes: by drug.

    """
    settings = settings or {}
    figure, data = drug_map(screens, hit)
    held = {s.screen for s in screens if s.held}
    shown = [m for m in mismatches.to_dict("records") if not {m["screen_a"], m["screen_b"]} & held]
    page = CohortPage(
        title=str(settings.get("facility") or "All screens"),
        facts=_facts(screens, chart),
        lines=[_line(s) for s in screens],
        charts=_charts(chart),
        map=figure,
        repeats=[_repeat(row) for row in repeats.to_dict("records") if row["level"] == "dss"],
        mismatches=[_mismatch(row) for row in shown[:_MOST_MISMATCHES]],
        more_mismatches=max(len(shown) - _MOST_MISMATCHES, 0),
        texts=page_parts(
            [TEMPLATES / "report.css", OWN / "cohort.css"],
            [TEMPLATES / "page.js", OWN / "cohort.js"],
            data,
        ),
        rules=RULES,
        responses=cohort_responses(screens, diagnoses or {}, classes or {}),
        contact=str(settings.get("contact") or ""),
    )
    write_text(out, environment(OWN).get_template("cohort.html.j2").render(page=page))


def _facts(screens: Sequence[CohortScreen], chart: pd.DataFrame) -> list[tuple[str, str]]:
    passed = sum(not s.held for s in screens)
    z = chart[chart["metric"] == "z_prime"]
    out = z[z["rules"].map(_serious).astype(bool)]["plate"].nunique()  # also where there is none
    return [
        ("Screens", f"{len(screens)}"),
        ("Passed", f"{passed}"),
        ("On hold", f"{len(screens) - passed}"),
        ("Released", f"{sum(bool(s.release) for s in screens)}"),
        ("Plates with controls", f"{z['plate'].nunique()}"),
        ("Plates out of control (Z′)", f"{out}"),
    ]


def _serious(rules: str) -> bool:
    """Whether a plate breaks more than the mildest rule."""
    return bool(rules) and rules != WARNING


def _line(screen: CohortScreen) -> Line:
    folder = f"../../{screen.release}" if screen.release else f"../screens/{screen.screen}"
    scored = screen.scores["dss_asym"].notna().sum()
    z = screen.metric("robust_z_prime_crossfit", "robust_z_prime")
    return Line(
        screen=screen.screen,
        href=f"{folder}/report.html",
        sample=screen.sample or MISSING,
        verdict="on hold" if screen.held else screen.verdict,
        held=screen.held,
        headline=readout_name(screen.headline) if screen.headline else MISSING,
        drugs=f"{scored} of {len(screen.scores)}" if len(screen.scores) else MISSING,
        hits=MISSING if screen.held else f"{int(screen.scores['hit'].sum())}",
        z_prime=fixed(z, 2),
        replicates=fixed(screen.metric("replicate_pearson"), 2),
        note=spoken("; ".join(screen.reasons)),
        release=Path(screen.release).name if screen.release else "",
    )


def _charts(chart: pd.DataFrame) -> list[Chart]:
    found = []
    for readout, part in chart.groupby("readout", sort=False):
        drawn = [(m, part[part["metric"] == m]) for m in METRICS]
        drawn = [(m, rows) for m, rows in drawn if rows["value"].notna().any()]
        if not drawn:
            continue
        baseline = int(drawn[0][1]["baseline"].sum())
        limits = drawn[0][1]["sd"].notna().any()
        note = (
            f"Mean and SD come from the first {count(baseline, 'plate')} of screens that passed."
            if limits
            else f"{count(baseline, 'plate')} of screens that passed are too few to set limits."
        )
        flagged = [
            (row["plate"], _TITLES[m], fixed(row["value"], 2), ", ".join(row["rules"].split(";")))
            for m, rows in drawn
            for row in rows[rows["rules"].map(_serious)].to_dict("records")
        ]
        figures = [_chart_figure(m, rows) for m, rows in drawn]
        found.append(Chart(str(readout), readout_name(str(readout)), figures, flagged, note))
    return found


def _chart_figure(metric: str, rows: pd.DataFrame) -> Figure:
    readings = [
        Reading(
            value=row["value"] if known(row["value"]) else None,
            text=_told(row),
            held=bool(row["held"]),
            rules=tuple(filter(None, row["rules"].split(";"))),
            warning=row["rules"] == WARNING,
        )
        for row in rows.to_dict("records")
    ]
    return control_chart(
        readings,
        title=_TITLES[metric],
        mean=float(rows["mean"].iloc[0]),
        sd=float(rows["sd"].iloc[0]),
        baseline=int(rows["baseline"].to_numpy().nonzero()[0].max(initial=-1)) + 1,
    )


def _told(row: Mapping[str, Any]) -> str:
    parts = [f"{row['plate']}: {fixed(row['value'], 2)}"]
    parts += [f"{rule}, {RULES[rule]}" for rule in row["rules"].split(";") if rule]
    return "; ".join([*parts, *(["screen on hold"] if row["held"] else [])])


def _repeat(row: Mapping[str, Any]) -> RepeatLine:
    held = "hold" in (row["verdict_a"], row["verdict_b"])
    changed = row["hits_a"] + row["hits_b"] - 2 * row["hits_both"]
    interval = (
        f" ({fixed(row['pearson_low'], 2)} to {fixed(row['pearson_high'], 2)})"
        if known(row["pearson_low"])
        else ""
    )
    return RepeatLine(
        sample=row["sample"],
        kind=row["kind"],
        first=f"{row['screen_a']}, {readout_name(row['readout_a'])}",
        second=f"{row['screen_b']}, {readout_name(row['readout_b'])}",
        drugs=f"{row['n']}",
        pearson=fixed(row["pearson"], 2) + interval,
        ccc=fixed(row["ccc"], 2),
        difference=f"{fixed(row['bias'])} ({fixed(row['limit_low'])} to {fixed(row['limit_high'])})" if known(row["bias"]) else MISSING,
        changed=MISSING if held else f"{changed} of {row['n']}",
        held=held,
    )  # fmt: skip


def _mismatch(row: Mapping[str, Any]) -> dict[str, str]:
    told = {"drug": drug_name(row["treatment"], row["addon"]), "sample": row["sample"]}
    for side in "ab":
        low, high = row[f"dss_{side}_low"], row[f"dss_{side}_high"]
        interval = f" ({fixed(low)} to {fixed(high)})" if known(low) and known(high) else ""
        told |= {
            f"where_{side}": f"{row[f'screen_{side}']}, {readout_name(row[f'readout_{side}'])}",
            f"score_{side}": fixed(row[f"dss_{side}"]) + interval,
            f"quality_{side}": f"GOF {fixed(row[f'gof_{side}'], 2)}, Z′ {fixed(row[f'z_prime_{side}'], 2)}",
        }
    return told
