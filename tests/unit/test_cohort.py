"""The facility's page: limits and rules of control charts, the map of drugs, what held and broken screens do to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exvivo.cohort.charts import CHART, chart_table, set_limits, westgard
from exvivo.cohort.load import CohortScreen, load_screens
from exvivo.cohort.overview import drug_map
from exvivo.cohort.page import build_cohort_page
from exvivo.context.tables import MISMATCHES, REPEATS
from exvivo.figures.control_chart import Reading, control_chart
from exvivo.figures.matrix import MatrixRow, matrix, shade
from exvivo.files import write_json
from exvivo.tables import QUALITY, conform, write_table
from page_reader import Page

HOSTILE = "<script>alert(1)</script>"


def quality(
    screen: str,
    values: dict[str, float],
    *,
    metric: str = "robust_z_prime",
    readout: str = "metabolic",
) -> pd.DataFrame:
    """A line per scope."""
    lines = [
        (screen, readout, scope, metric, value, "", "pass", True, "")
        for scope, value in values.items()
    ]
    return pd.DataFrame(lines, columns=QUALITY.names).astype({"value": float})


def screen(
    name: str,
    z: list[float],
    scores: dict[str, float] | None = None,
    *,
    held: bool = False,
    release: str = "",
) -> CohortScreen:
    """A screen whose plates P1, P2, … have these Z′."""
    plates = {f"{name}_P{i + 1}": value for i, value in enumerate(z)}
    frame = pd.DataFrame(
        {"treatment": list(scores or {}), "dss_asym": list((scores or {}).values())}
    ).assign(addon="", status="ok")
    frame["hit"] = frame["dss_asym"] > 10
    return CohortScreen(
        name, f"PT-{name}", release, "hold" if held else "pass", ("robust Z′ is -1",) if held else (), "metabolic",
        frame, quality(name, plates | {"screen": 0.5}),
    )  # fmt: skip


def tables() -> tuple[pd.DataFrame, pd.DataFrame]:
    return REPEATS.empty_table().to_pandas(), MISMATCHES.empty_table().to_pandas()


class TestRules:
    @pytest.mark.parametrize(
        ("z", "last"),
        [
            ([0.1, 2.5], ["1-2s"]),
            ([0.1, -3.5], ["1-2s", "1-3s"]),
            ([2.1, 2.2], ["1-2s", "2-2s"]),
            ([2.1, -2.2], ["1-2s", "R-4s"]),
            ([2.1, -1.95], []),
            ([1.1, 1.2, 1.3, 1.4], ["4-1s"]),
            ([1.1, 1.2, 0.9, 1.4], []),
            ([-0.1] * 10, ["10x"]),
            ([-0.1] * 9, []),
            ([-0.1] * 5 + [0.0] + [-0.1] * 5, []),
        ],
    )
    def test_each_rule_on_its_own(self, z, last):
        assert westgard(z)[-1] == last

    def test_a_gap_ends_a_run_and_breaks_nothing(self):
        assert westgard([2.1, np.nan, 2.2]) == [["1-2s"], [], ["1-2s"]]

    def test_false_alarms_of_a_facility_in_control(self):
        """3 SD by chance: about 0.3 % of plates."""
        z = np.random.default_rng(0).normal(0, 1, 3000)
        found = westgard(z)
        assert np.mean(["1-3s" in rules for rules in found]) < 0.006
        assert np.mean(["1-2s" in rules for rules in found]) == pytest.approx(0.0455, abs=0.012)


class TestLimits:
    def test_they_come_from_the_first_sound_plates_and_stay(self):
        values = np.array([1.0, 2.0, 99.0, 3.0, 4.0, 5.0, 50.0])
        sound = np.array([True, True, False, True, True, True, True])
        found = set_limits(values, sound, 5)
        assert found.members.tolist() == [0, 1, 3, 4, 5] and not found.provisional
        assert found.mean == 3 and found.sd == pytest.approx(np.std([1, 2, 3, 4, 5], ddof=1))

    def test_few_plates(self):
        assert np.isnan(set_limits(np.arange(4.0), np.ones(4, bool), 20).mean)
        assert set_limits(np.arange(7.0), np.ones(7, bool), 20).provisional
        assert np.isnan(set_limits(np.ones(7), np.ones(7, bool), 20).sd), "no spread, no limits"


class TestChart:
    def test_plates_in_the_order_of_the_sheet_with_a_drift(self):
        rng = np.random.default_rng(1)
        screens = [
            screen(f"S{i:02d}", list(0.6 - (0.3 if i > 7 else 0) + rng.normal(0, 0.03, 3)))
            for i in range(10)
        ]
        plates = [f"S{i:02d}_P{p}" for i in reversed(range(10)) for p in (1, 2, 3)][::-1]
        table = chart_table(screens, plates, baseline=20)
        conform(table, CHART, where="test")
        assert table["plate"].tolist() == plates and table["baseline"].sum() == 20
        late = table[table["order"] >= 24]
        assert late["rules"].str.contains("1-3s").all() and late["z"].max() < -3

    def test_held_screens_are_drawn_and_set_no_limits(self):
        screens = [screen(f"S{i}", [0.6 + 0.01 * i, 0.6]) for i in range(5)] + [
            screen("H", [-4.0, -4.0], held=True)
        ]
        plates = ["H_P1", "H_P2", *(f"S{i}_P{p}" for i in range(5) for p in (1, 2))]
        table = chart_table(screens, plates, baseline=20)
        assert table["held"].tolist() == [True, True] + [False] * 10
        assert not table.loc[table["held"], "baseline"].any() and table["mean"].iloc[
            0
        ] == pytest.approx(0.61)
        assert (table.loc[table["held"], "z"] < -3).all()

    def test_what_a_person_accepted_is_drawn_and_sets_no_limits(self, tmp_path):
        screens = [screen(f"S{i}", [0.6 + 0.01 * i, 0.6]) for i in range(5)]
        screens[2] = replace(screens[2], verdict="accepted")
        plates = [f"S{i}_P{p}" for i in range(5) for p in (1, 2)]
        table = chart_table(screens, plates, baseline=20)
        assert table.loc[~table["baseline"], "screen"].tolist() == ["S2", "S2"]
        assert not table["held"].any()
        build_cohort_page(screens, table, *tables(), tmp_path / "page.html")
        rows = (
            Page((tmp_path / "page.html").read_text())
            .find("tbody", id_="screens-list")[0]
            .find("tr")
        )
        assert "accepted" in rows[2].text and "is-held" not in rows[2].attributes.get("class", "")

    def test_held_out_controls_go_before_others_and_missing_ones_leave_a_gap(self):
        both = pd.concat([
            quality("S", {"S_P1": 0.9, "S_P2": 0.8}),
            quality("S", {"S_P1": np.nan, "S_P2": 0.3}, metric="robust_z_prime_crossfit"),
        ])  # fmt: skip
        table = chart_table(
            [CohortScreen("S", quality=both, verdict="pass")], ["S_P1", "S_P2"], baseline=5
        )
        assert table["value"].isna().tolist() == [True, False] and table["value"].iloc[1] == 0.3

    def test_no_screens(self):
        conform(chart_table([], [], baseline=20), CHART, where="test")


class TestFigures:
    def test_colours_turn_at_the_limit(self):
        assert [shade(v, 10) for v in (0, 5, 10, 30, 50, 80)] == [0, 6, 12, 18, 24, 24]

    def test_map_holds_every_screen_and_no_score_of_a_held_one(self):
        rows = [
            MatrixRow("S1", [40.0, None]),
            MatrixRow("S2", [50.0, 50.0], held=True, note=HOSTILE),
        ]
        text = matrix(rows, ["A", HOSTILE], hit=10).standalone()
        assert text.count('class="held-row"') == 1 and "S2" in text and "<script" not in text
        assert text.count("M0 0h1") == 1 and "M1.5 0h0" in text and "M0 1h1" not in text

    def test_nothing_to_draw(self):
        with pytest.raises(ValueError, match="nothing to draw"):
            matrix([], ["A"], hit=10)
        with pytest.raises(ValueError, match="nothing to draw"):
            control_chart([Reading(None, "")], title="", mean=0, sd=1, baseline=0)

    def test_a_far_plate_is_put_on_the_edge(self):
        readings = [Reading(0.5 + 0.01 * (i % 3), f"P{i}") for i in range(8)] + [
            Reading(-50.0, "far", rules=("1-3s",))
        ]
        text = control_chart(readings, title="Z", mean=0.51, sd=0.01, baseline=8).standalone()
        assert "far" in text and "NaN" not in text


class TestPage:
    SCREENS = (
        screen("S1", [0.6, 0.5], {"A": 30.0, "B": 2.0, HOSTILE: 12.0}),
        screen("S2", [0.6, 0.5], {"A": 40.0, "C": 20.0}, held=True),
        screen("S3", [0.6, 0.5], {"A": 20.0, "B": np.nan}, release="released/S3/v2"),
    )

    def build(self, tmp_path: Path, screens=SCREENS, **changes) -> str:
        plates = [f"{s.screen}_P{p}" for s in screens for p in (1, 2)]
        out = tmp_path / "report.html"
        build_cohort_page(
            screens, chart_table(screens, plates, baseline=20), *tables(), out, **changes
        )
        return out.read_text()

    def test_every_screen_is_there(self, tmp_path):
        page = Page(self.build(tmp_path, settings={"facility": HOSTILE}))
        rows = page.find("tbody", id_="screens-list")[0].find("tr")
        assert len(rows) == 3
        assert [("is-held" in row.attributes.get("class", "")) for row in rows] == [
            False,
            True,
            False,
        ]
        links = [a.attributes["href"] for row in rows for a in row.find("a")]
        assert links == [
            "../screens/S1/report.html",
            "../screens/S2/report.html",
            "../../released/S3/v2/report.html",
        ]
        assert "robust Z′ is -1" in rows[1].text and "v2" in rows[2].text

    def test_equal_inputs_make_equal_bytes_and_load_nothing(self, tmp_path):
        first, second = self.build(tmp_path), self.build(tmp_path)
        assert first == second
        assert (
            HOSTILE not in first
            and "http://" not in first.replace("http://www.w3.org", "")
            and "https://" not in first
        )

    def test_numbers_of_the_map(self):
        _, data = drug_map(self.SCREENS, 10)
        assert data["drugs"] == ["A", HOSTILE, "B"] and data["screens"] == ["S1", "S2", "S3"]
        assert data["scores"] == [[30, 12, 2], [], [20, None, None]]

    def test_a_facility_without_scores(self, tmp_path):
        text = self.build(tmp_path, [screen("S1", [np.nan, np.nan], held=True)])
        assert "no screen that passed has a score" in text and "no plate has controls yet" in text

    def test_size_grows_so_that_a_thousand_screens_stay_below_two_megabytes(self, tmp_path):
        rng = np.random.default_rng(0)
        drugs = [f"Compound-{i}" for i in range(75)]
        many = [
            screen(
                f"S{i}",
                [0.6, 0.5],
                dict(zip(drugs, rng.gamma(1, 8, 75), strict=True)),
                held=i % 10 == 0,
            )
            for i in range(100)
        ]
        fixed_part = len(self.build(tmp_path, many[:1]))
        assert fixed_part + 10 * (len(self.build(tmp_path, many)) - fixed_part) < 2e6


class TestLoad:
    def files(self, folder: Path, screen_: str, broken: bool = False) -> dict[str, Path]:
        own = folder / screen_
        own.mkdir()
        write_json(
            own / "verdict.json", {"verdict": "pass", "reasons": [], "headline": "metabolic"}
        )
        (own / "scores.tsv").write_text(
            "readout\ttreatment\tdss_asym\thit\nmetabolic\tNA\t12\tTrue\nother\tB\t1\tFalse\n"
        )
        if broken:
            (own / "quality.tsv").write_text("old\tcolumns\n1\t2\n")
        else:
            write_table(quality(screen_, {"screen": 0.7}), own / "quality.tsv", QUALITY)
        return {
            name: own / file
            for name, file in (
                ("verdict", "verdict.json"),
                ("scores", "scores.tsv"),
                ("quality", "quality.tsv"),
            )
        }

    def test_a_screen_of_another_version_is_told_and_the_others_go_on(self, tmp_path):
        found = [self.files(tmp_path, "S1"), self.files(tmp_path, "S2", broken=True)]
        files = {name: [f[name] for f in found] for name in found[0]}
        good, bad = load_screens(
            ["S1", "S2"], files, samples={"S1": "PT-1"}, releases={"S2": "released/S2/v1"}
        )
        assert (
            good.scores["treatment"].tolist() == ["NA"]
            and good.metric("none", "robust_z_prime") == 0.7
        )
        assert bad.held and bad.problem and bad.reasons == (bad.problem,)
        text = json.dumps(drug_map([good, bad], 10)[1])
        assert '"NA"' in text
