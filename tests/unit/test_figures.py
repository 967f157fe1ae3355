"""Figures: what is drawn lies where the numbers say, and nothing that should not be drawn is."""

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from exvivo.figures import Figure, stack
from exvivo.figures.curves import Panel, Point, Tile, panel
from exvivo.figures.heatmap import Cell, heat_map, plate_shape, readout_range
from exvivo.figures.history import SMALLEST_LOSS, history
from exvivo.figures.palette import DIVERGING, SEQUENTIAL, is_dark, ramp
from exvivo.figures.save import save_heatmaps, save_history, save_waterfall
from exvivo.figures.scales import Linear, short
from exvivo.figures.scatter import Dot, correlation, scatter
from exvivo.figures.strip import Control, strip
from exvivo.figures.svg import clean, coordinate, shorten, tag
from exvivo.figures.waterfall import MOST_BARS, bars_of, drug_name, waterfall
from exvivo.figures.words import MISSING, dose, figures, fixed, listed, percent
from report_screen import HOSTILE
from report_screen import history as made_up_history

SVG = "{http://www.w3.org/2000/svg}"


def parsed(figure: Figure) -> ElementTree.Element:
    """The figure as XML: fails if it is not well-formed."""
    return ElementTree.fromstring(figure.standalone())


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [e for e in root.iter() if name in (e.get("class") or "").split()]


def scores(names, values, **columns) -> pd.DataFrame:
    frame = pd.DataFrame({"treatment": list(names), "dss_asym": list(values), **columns})
    return frame.assign(hit=frame["dss_asym"] > 10)


class TestSvg:
    def test_text_and_attributes_are_escaped(self):
        element = tag("text", '<b>&"', data_name='"><script>')
        assert (
            str(element) == '<text data-name="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;&#34;</text>'
        )

    def test_markup_is_not_escaped_twice(self):
        assert str(tag("g", tag("path", d="M0 0"))) == '<g><path d="M0 0"/></g>'

    @pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
    def test_missing_numbers_never_become_coordinates(self, value):
        with pytest.raises(ValueError, match="leave missing values out"):
            tag("circle", cx=value)

    def test_coordinates_are_short(self):
        assert [coordinate(v) for v in (1.0, 1.2345, -0.001, 100)] == ["1", "1.23", "0", "100"]

    def test_forbidden_characters_are_replaced(self):
        assert clean("a\x00b\x07c\ud800\n") == "a\ufffdb\ufffdc\ufffd\n"

    def test_shorten(self):
        assert shorten("abc", 3) == "abc"
        assert shorten("a  b\nc", 9) == "a b c"
        assert len(shorten("x" * 500, 22)) == 22

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names_leave_the_file_well_formed(self, name):
        root = parsed(
            waterfall(scores([name, "other"], [30, 5], key=["drug-1", "drug-2"]), links=True)
        )
        assert not list(root.iter(f"{SVG}script"))
        assert any(shorten(name, 22)[:12] in "".join(e.itertext()) for e in root.iter(f"{SVG}text"))

    def test_stack_places_every_figure(self):
        figure = Figure(100, 50, tag("circle", r=1), "one")
        root = parsed(stack([figure] * 5, columns=2, gap=10, text="five"))
        assert [(e.get("x"), e.get("y")) for e in root.findall(f"{SVG}svg")] == [
            ("5", "5"), ("115", "5"), ("5", "65"), ("115", "65"), ("5", "125")
        ]  # fmt: skip


class TestScales:
    def test_linear_maps_ends(self):
        scale = Linear(0, 10, 100, 0)
        assert (scale(0), scale(10), scale(5)) == (100, 0, 50)
        assert scale.held(99) == 0

    def test_an_axis_without_extent_is_refused(self):
        with pytest.raises(ValueError, match="low < high"):
            Linear(1, 1, 0, 1)

    @pytest.mark.parametrize(
        ("low", "high"), [(0, 1), (-0.3, 47), (1e-4, 2e-4), (0, 65535), (0.5, 0.7)]
    )
    def test_ticks_are_round_and_inside(self, low, high):
        ticks = Linear(low, high, 0, 1).ticks(5)
        assert 3 <= len(ticks) <= 11
        assert all(low - 1e-12 <= t <= high + 1e-12 for t in ticks)
        steps = np.diff(ticks)
        assert np.allclose(steps, steps[0])

    def test_short(self):
        assert [short(v) for v in (0, 0.5, 1000, 2.5e7)] == ["0", "0.5", "1,000", "2.5e+07"]


class TestWords:
    def test_doses(self):
        values = (0.01, 0.1, 1, 250, 999.9, 1000, 2500, 1e6, math.nan, None)
        told = [
            "10 pM",
            "100 pM",
            "1 nM",
            "250 nM",
            "1 µM",
            "1 µM",
            "2.5 µM",
            "1 mM",
            MISSING,
            MISSING,
        ]
        assert [dose(v) for v in values] == told

    def test_numbers(self):
        assert fixed(-0.04, 1) == "0.0"
        assert fixed(-1.25, 1) == "−1.2"
        assert fixed(math.nan) == MISSING
        assert percent(0.834) == "83 %"
        assert percent(None) == MISSING
        assert figures(1234.5) == "1\u202f234" or figures(1234.5) == "1\u202f235"
        assert figures(0.00123456) == "0.00123"

    def test_listed(self):
        assert [listed(list("abc"[:n])) for n in range(4)] == ["", "a", "a and b", "a, b and c"]


class TestPalette:
    def test_ends_and_middle(self):
        assert ramp(DIVERGING, 0.5) == DIVERGING[3]
        assert ramp(SEQUENTIAL, -9) == SEQUENTIAL[0]
        assert ramp(SEQUENTIAL, 9) == SEQUENTIAL[-1]

    def test_marks_are_readable_on_every_colour(self):
        def luminance(colour):
            parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
            linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
            return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

        for stops in (DIVERGING, SEQUENTIAL):
            for fraction in np.linspace(0, 1, 41):
                colour = ramp(stops, fraction)
                text = 1.0 if is_dark(colour) else luminance("#1d2733")
                high, low = sorted((text, luminance(colour)), reverse=True)
                assert (high + 0.05) / (low + 0.05) > 3, (colour, fraction)

    def test_the_sequential_ramp_darkens_all_the_way(self):
        """So that it can be read in grey and by people who see no hue."""
        grey = [
            sum(int(ramp(SEQUENTIAL, f)[i : i + 2], 16) for i in (1, 3, 5))
            for f in np.linspace(0, 1, 30)
        ]
        assert all(b < a for a, b in itertools.pairwise(grey))


class TestWaterfall:
    def test_bars_are_ordered_and_coloured(self):
        frame = scores("cabd", [5.0, 30.0, 10.0, math.nan])
        assert [bar.name for bar in bars_of(frame)] == ["a", "b", "c"]
        root = parsed(waterfall(frame))
        bars = [e for e in root.iter(f"{SVG}rect") if (e.get("class") or "") in ("hit", "no-hit")]
        assert [b.get("class") for b in bars] == ["hit", "no-hit", "no-hit"]
        heights = [float(b.get("height")) for b in bars]
        assert heights[0] == pytest.approx(6 * heights[2], abs=0.1)
        assert heights[1] == pytest.approx(2 * heights[2], abs=0.1)

    def test_the_line_stands_at_the_limit(self):
        root = parsed(waterfall(scores("ab", [20.0, 10.0])))
        (limit,) = of_class(root, "limit")
        bar = next(e for e in root.iter(f"{SVG}rect") if e.get("class") == "no-hit")
        assert float(limit.get("d").split()[1]) == pytest.approx(float(bar.get("y")), abs=0.02)

    def test_replicates_are_drawn_where_known(self):
        frame = scores("ab", [20.0, 5.0], dss_asym_rep1=[19.0, math.nan], dss_asym_rep2=[21.0, 4.0])
        assert len(of_class(parsed(waterfall(frame)), "whisker")) == 3

    def test_many_drugs(self):
        frame = scores([f"d{i}" for i in range(400)], np.linspace(40, 0, 400))
        figure = waterfall(frame)
        assert (
            len(of_class(parsed(figure), "no-hit") + of_class(parsed(figure), "hit")) == MOST_BARS
        )
        assert "300 drugs with lower scores not drawn" in figure.text

    def test_nothing_to_draw_is_an_error(self):
        with pytest.raises(ValueError, match="no drug has a score"):
            waterfall(scores("a", [math.nan]))

    def test_combinations_are_named_with_both(self):
        assert drug_name("A", "B") == "A + B"
        assert drug_name("A", "") == drug_name("A", math.nan) == "A"


def points(viability, doses=(1, 10, 100, 1000, 10000)):
    return [Point(d, v, 1) for d, v in zip(doses, viability, strict=True)]


class TestCurves:
    curve = (0.0, 1.0, 2.0, 1.0, 1.0)

    def test_points_lie_on_their_doses_and_values(self):
        root = parsed(panel(Panel("x", points([1.0, 0.75, 0.5, 0.25, 0.0]))))
        found = [(float(e.get("cx")), float(e.get("cy"))) for e in of_class(root, "point")]
        assert np.allclose(np.diff([x for x, _ in found]), found[1][0] - found[0][0], atol=0.02)
        assert np.allclose(np.diff([y for _, y in found]), found[1][1] - found[0][1], atol=0.02)
        assert found[1][1] > found[0][1]  # less viability is further down

    def test_the_curve_passes_its_middle(self):
        root = parsed(
            panel(Panel("x", points([1, 1, 0.5, 0, 0]), parameters=self.curve, ic50=100.0))
        )
        line = np.array(
            re.findall(r"[\d.]+", of_class(root, "curve")[0].get("d")), dtype=float
        ).reshape(-1, 2)
        middle = of_class(root, "point")[2]
        x, y = float(middle.get("cx")), float(middle.get("cy"))
        assert np.interp(x, line[:, 0], line[:, 1]) == pytest.approx(y, abs=0.5)
        assert float(of_class(root, "ic50")[0].get("d").split()[0][1:]) == pytest.approx(
            x, abs=0.02
        )

    def test_without_fit_there_is_no_curve_and_no_ic50(self):
        figure = panel(Panel("x", points([1, 1, 1, 1, 1])))
        root = parsed(figure)
        assert not of_class(root, "curve")
        assert not of_class(root, "ic50")
        assert figure.text.endswith("No curve.")

    def test_unused_points_are_crosses_and_replicates_differ(self):
        wells = [
            Point(1, 1.0, 1),
            Point(1, 0.9, 2),
            Point(1, 0.8, 3),
            Point(10, 0.5, 1, used=False),
        ]
        root = parsed(panel(Panel("x", wells)))
        assert [e.get("class") for e in of_class(root, "point")] == [
            "point first", "point second", "point first", "point left-out"
        ]  # fmt: skip

    def test_doses_of_zero_and_missing_values_are_left_out(self):
        wells = [Point(0, 1.0, 1), Point(10, math.nan, 1), Point(10, 0.5, 1)]
        assert len(of_class(parsed(panel(Panel("x", wells))), "point")) == 1
        with pytest.raises(ValueError, match="nothing to draw"):
            panel(Panel("x", wells[:2]))

    def test_extreme_values_stay_inside(self):
        figure = panel(Panel("x", points([-40, 1, 2, 99, 0.5])))
        for element in of_class(parsed(figure), "point"):
            assert 0 < float(element.get("cy")) < figure.height

    def test_images_stand_under_their_doses(self):
        wells = points([1, 0.8, 0.5, 0.2, 0])
        tiles = {
            p.dose: Tile(p.dose, "data:image/png;base64,x", f"P/B0{i}", "t")
            for i, p in enumerate(wells)
        }
        root = parsed(panel(Panel("x", wells, tiles=tiles)))
        middles = [float(e.get("x")) + float(e.get("width")) / 2 for e in root.iter(f"{SVG}image")]
        assert middles == pytest.approx(
            [float(e.get("cx")) for e in of_class(root, "point")], abs=0.02
        )

    @pytest.mark.parametrize("count", [1, 2, 3, 10, 22])
    def test_any_number_of_doses(self, count):
        doses = [1.0 * 2**i for i in range(count)]
        figure = panel(Panel("x", points(np.linspace(1, 0, count), doses), parameters=self.curve))
        labels = [
            float(e.get("x"))
            for e in of_class(parsed(figure), "middle")
            if "tick" in e.get("class")
        ]
        assert all(b - a > 40 for a, b in itertools.pairwise(labels))


class TestHeatMap:
    def test_colours_follow_values(self):
        cells = [Cell("A01", "treatment", v) for v in (0.0, 1.0, 2.0, 5.0)]
        fills = [
            e.get("fill")
            for e in of_class(
                parsed(heat_map(cells, title="t", name="n", kind="viability")), "well"
            )
        ]
        assert fills[:4] == [DIVERGING[0], DIVERGING[3], DIVERGING[-1], DIVERGING[-1]]

    def test_missing_wells_are_hatched_and_empty_ones_are_not(self):
        cells = [
            Cell("A01", "treatment", None, "damaged"),
            Cell("A02", "empty", None),
            Cell("A03", "excluded", None, "excluded"),
            Cell("A04", "negative_control", 1.0),
        ]
        figure = heat_map(cells, title="t", name="n", kind="readout", limits=(0, 1))
        root = parsed(figure)
        wells = [e for e in of_class(root, "wells")[0]]
        assert [e.get("fill") for e in wells if e.get("fill")] == [
            "url(#hatch-n)",
            "url(#hatch-n)",
            SEQUENTIAL[-1],
        ]
        assert len(of_class(root, "nothing")) == 1
        assert ["".join(e.itertext()) for e in of_class(root, "mark")] == ["×", "−"]
        assert "2 wells without" in figure.text

    @pytest.mark.parametrize(
        ("well", "shape"),
        [
            ("H12", (8, 12)),
            ("P24", (16, 24)),
            ("AF48", (32, 48)),
            ("A09", (8, 12)),
            ("C04", (3, 4)),
        ],
    )
    def test_plate_shapes(self, well, shape):
        assert plate_shape([well]) == shape

    def test_keys_are_written_for_the_page_only(self):
        cell = [Cell("A01", "treatment", 1.0, key="P/A01")]
        how = {"title": "t", "name": "n", "kind": "viability"}
        assert 'data-w="P/A01"' in str(heat_map(cell, keys=True, **how).inline())
        assert "data-w" not in str(heat_map(cell, **how).inline())

    def test_range(self):
        assert readout_range([]) == (0.0, 1.0)
        assert readout_range([3.0, math.nan]) == (2.5, 3.5)
        low, high = readout_range([*range(100), 1e9])
        assert low == pytest.approx(1.0)
        assert high == pytest.approx(99.0)


class TestHistory:
    def test_the_smallest_loss_is_drawn_for_the_loss_alone(self):
        table = made_up_history()
        assert "0.5004" in str(history(table, "loss").body)
        assert "0.5004" not in str(history(table, "accuracy").body)
        assert "0.5004" not in str(history(table, "loss", floor=None).body)
        assert (
            pytest.approx(-(0.8 * math.log(0.8) + 0.2 * math.log(0.2)), abs=1e-15) == SMALLEST_LOSS
        )

    def test_lines_are_those_that_exist(self):
        table = made_up_history().drop(columns="validation_loss")
        assert len(of_class(parsed(history(table, "loss")), "training")) == 2  # line and its key
        assert not of_class(parsed(history(table, "loss")), "validation")
        assert history(table.assign(auroc=math.nan, validation_auroc=math.nan), "auroc") is None

    def test_a_single_epoch(self):
        assert history(made_up_history(1), "loss") is not None


class TestScatter:
    def test_correlations_are_known(self):
        dots = [Dot(x, y, "") for x, y in ((1, 1), (2, 4), (3, 9), (4, 16))]
        r = np.corrcoef([1, 2, 3, 4], [1, 4, 9, 16])[0, 1]
        assert correlation(dots) == f"Pearson r {r:.2f}, Spearman ρ 1.00"
        assert correlation(dots[:2]) == ""
        assert correlation([Dot(1, y, "") for y in range(5)]) == ""

    def test_lines_stand_at_the_limit_and_dots_at_their_place(self):
        figure = scatter(
            [Dot(10, 10, "on it", key="drug-1"), Dot(50, 0, "b")],
            title="t",
            x_title="x",
            y_title="y",
            limit=10,
        )
        root = parsed(figure)
        (dot,) = [e for e in of_class(root, "dot") if e.get("r") == "4"]
        upright, flat = of_class(root, "limit")
        assert float(upright.get("d").split()[0][1:]) == pytest.approx(
            float(dot.get("cx")), abs=0.02
        )
        assert float(flat.get("d").split()[1]) == pytest.approx(float(dot.get("cy")), abs=0.02)

    def test_fixed_axes_keep_outliers_on_the_edge(self):
        figure = scatter(
            [Dot(900, -900, "")], title="t", x_title="x", y_title="y", limits=(-50, 150)
        )
        (dot,) = of_class(parsed(figure), "dot")
        assert 0 < float(dot.get("cx")) < figure.width
        assert 0 < float(dot.get("cy")) < figure.height


def test_strip_has_a_column_per_plate_and_side():
    controls = [
        Control(p, s, v, "t")
        for p in ("P1", "P2")
        for s, v in (("negative", 0.8), ("positive", 0.2))
    ] * 3
    root = parsed(strip(controls, title="t", y_title="y"))
    assert len(of_class(root, "median")) == 4
    assert len([e for e in of_class(root, "negative") if e.tag == f"{SVG}circle"]) == 6
    with pytest.raises(ValueError, match="nothing to draw"):
        strip([], title="t", y_title="y")


class TestFiles:
    def test_waterfall_of_a_held_screen_has_no_bar(self, tmp_path):
        frame = scores("ab", [20.0, 5.0], readout="r")
        save_waterfall(frame, tmp_path / "a.svg", readout="r")
        save_waterfall(frame, tmp_path / "b.svg", readout="r", on_hold="Z′ < 0")
        save_waterfall(frame, tmp_path / "c.svg", readout="other")
        texts = [(tmp_path / f"{n}.svg").read_text() for n in "abc"]
        assert [t.count('class="hit"') for t in texts] == [1, 0, 0]
        assert "On hold: Z′ &lt; 0" in texts[1]
        for text in texts:
            ElementTree.fromstring(text)

    def test_history_and_heat_maps(self, tmp_path):
        save_history(made_up_history(), tmp_path / "h.svg", phase=2)
        save_history(pd.DataFrame({"epoch": []}), tmp_path / "none.svg", phase=3)
        responses = pd.DataFrame(
            {"readout": "r", "plate": ["P1", "P2"], "well": "B02", "role": "treatment", "value": [1.0, math.nan],
             "viability": [0.5, math.nan], "flag": ["", "damaged"]}
        )  # fmt: skip
        save_heatmaps(responses, tmp_path / "m.svg", readout="r")
        save_heatmaps(responses, tmp_path / "n.svg", readout="absent")
        for name in ("h", "none", "m", "n"):
            ElementTree.fromstring((tmp_path / f"{name}.svg").read_text())
        assert (tmp_path / "m.svg").read_text().count("<pattern") == 4
