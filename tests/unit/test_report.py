"""The report of a screen: complete, true to its tables, safe, and the same bytes for the same inputs."""

import base64
import hashlib
import math
import re
import shutil

import numpy as np
import pandas as pd
import pytest

import report_screen
from exvivo import tables
from exvivo.errors import StoreError
from exvivo.figures.waterfall import drug_name
from exvivo.files import read_json, write_json
from exvivo.report.build import build_report
from exvivo.report.context import reason_text
from exvivo.report.images import encode, image_side, pseudo_colour, thumbnails, window
from exvivo.report.montage import outlying
from exvivo.report.ranking import flags, ic50
from exvivo.report.render import RESEARCH_USE
from exvivo.report.wells import script_json
from exvivo.responses.read import read_scores
from page_reader import Page
from report_screen import HOSTILE, make_screen


def build(screen, **changes) -> tuple[str, Page]:
    arguments = screen.arguments(**changes)
    build_report(**arguments)
    html = arguments["out"].read_text(encoding="utf-8")
    return html, Page(html)


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    return make_screen(tmp_path_factory.mktemp("screen"), shape=(16, 24))


@pytest.fixture(scope="module")
def page(screen):
    return build(screen)[1]


@pytest.fixture(scope="module")
def held(tmp_path_factory):
    return make_screen(tmp_path_factory.mktemp("held"), shape=(16, 24), held=True)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return make_screen(tmp_path_factory.mktemp("hostile"), shape=(16, 24), hostile=True, drugs=20)


@pytest.fixture(scope="module")
def hostile_page(hostile):
    return build(hostile)[1]


@pytest.fixture
def copy(screen, tmp_path):
    """The screen, to be spoiled."""
    shutil.copytree(screen.root, tmp_path / "copy")
    return report_screen.Screen(
        tmp_path / "copy",
        screen.name,
        screen.network,
        screen.drugs,
        screen.plates,
        screen.scores,
        screen.responses,
    )


class TestPage:
    def test_sections_come_in_order(self, page):
        ids = [e.attributes["id"] for e in page.find("section")]
        assert ids == [
            "verdict",
            "ranking",
            "background",
            "quality",
            "plates",
            "residuals",
            "seen",
            "curves",
            "montage",
            "training",
            "comparison",
            "methods",
        ]
        links = [e.attributes["href"] for e in page.find("nav")[0].find("a")]
        assert links == [f"#{i}" for i in ids]

    def test_every_link_leads_somewhere(self, page):
        ids = [e.attributes["id"] for e in page.find() if "id" in e.attributes]
        assert len(ids) == len(set(ids))
        targets = {a[1:] for a in page.addresses if a.startswith("#")}
        assert targets <= set(ids)

    def test_nothing_is_loaded(self, screen, page):
        assert page.addresses
        assert not [a for a in page.addresses if not a.startswith(("#", "data:"))]
        html = (screen.folder / "report.html").read_text()
        assert not re.findall(r"url\((?!#)", html)
        assert not re.findall(
            r"@import|<iframe|<object|<embed|<base|<form(?! method=\"dialog\")", html
        )
        assert "://" not in re.sub(r"data:image/jpeg;base64,[A-Za-z0-9+/=]+", "", html)

    def test_the_policy_allows_the_one_style_and_the_one_script(self, page):
        policy = next(
            e.attributes["content"] for e in page.find("meta") if e.attributes.get("http-equiv")
        )
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert rules["default-src"] == "'none'"
        assert rules["img-src"] == "data:"
        (style,) = page.find("style")
        (script,) = [e for e in page.find("script") if not e.attributes.get("type")]
        for name, element in (("style-src", style), ("script-src", script)):
            digest = base64.b64encode(hashlib.sha256(element.text.encode()).digest()).decode()
            assert rules[name] == f"'sha256-{digest}'"
        assert not [
            e for e in page.find() for a in e.attributes if a == "style" or a.startswith("on")
        ]

    def test_same_inputs_same_bytes(self, screen, tmp_path):
        one, _ = build(screen, out=tmp_path / "one.html")
        two, _ = build(screen, out=tmp_path / "two.html")
        assert one == two
        assert str(screen.root) not in one

    def test_every_image_is_in_the_page_once(self, screen, page):
        inline = [
            e.attributes[a]
            for e in page.find()
            for a in ("src", "href")
            if e.attributes.get(a, "").startswith("data:image")
        ]
        everywhere = inline + list(page.data["images"].values())
        assert len(everywhere) == len(set(everywhere))
        shown = (
            screen.responses[screen.responses["readout"] == screen.headline]["value"].notna().sum()
        )
        assert len(everywhere) == shown

    def test_figures_and_images_have_text(self, page):
        for figure in page.find("svg", class_="figure"):
            assert len(figure.attributes["aria-label"]) > 10
            assert figure.attributes["role"] in ("img", "group")
        for image in page.find("image"):
            assert "viability" in image.attributes["aria-label"]
        for button in page.find("button"):
            assert button.attributes.get("aria-label") or button.text.strip()

    def test_research_use_is_said_first_and_last(self, page):
        assert RESEARCH_USE in page.section("verdict").text
        assert RESEARCH_USE in page.find("footer")[0].text

    def test_names_of_the_report_come_from_the_settings(self, screen, tmp_path):
        settings = {"title": "A <b>title</b>", "facility": "Facility & Co", "contact": "desk"}
        _, page = build(screen, out=tmp_path / "r.html", settings=settings)
        assert page.find("h1")[0].text == "A <b>title</b>"
        assert "Facility & Co" in page.find("header")[0].text
        assert "Questions: desk" in page.find("footer")[0].text


class TestRanking:
    def rows(self, page):
        """Texts of the cells of each row; of the drug's cell its name alone, and its remarks after all others."""
        found = []
        for row in page.find("table", id_="ranked")[0].find("tbody")[0].find("tr"):
            texts = [c.text.strip() for c in row.children if not isinstance(c, str)]
            texts[1] = row.find("bdi", class_="drug-name")[0].text.strip()
            texts.append("".join(one.text.strip() for one in row.find("span", class_="why")))
            found.append(texts)
        return found

    def test_every_drug_with_its_numbers_as_in_the_table(self, screen, page):
        own = screen.scores[screen.scores["readout"] == screen.headline]
        rows = {row[1]: row for row in self.rows(page)}
        assert set(rows) == set(own["treatment"])
        for record in own.to_dict("records"):
            row = rows[record["treatment"]]
            if math.isnan(record["dss_asym"]):
                assert row[0] == row[3] == "–"
                continue
            assert float(row[3].replace("−", "-")) == pytest.approx(record["dss_asym"], abs=0.051)
            assert float(row[5].replace("−", "-")) == pytest.approx(
                record["dss_asym_rep1"], abs=0.051
            )
            assert float(row[9]) == pytest.approx(record["gof"], abs=0.0051)
            assert (row[2] == "hit") == record["hit"]

    def test_rows_stand_in_rank_order_and_failures_say_why(self, screen, page):
        rows = self.rows(page)
        ranks = [float(row[0].strip("=")) for row in rows if row[0] != "–"]
        assert ranks == sorted(ranks)
        remarks = {row[1]: row[-1] for row in rows}
        assert remarks[screen.drugs[-3]] == "no curve: 2 doses, at least 3 are needed"
        assert remarks[screen.drugs[-2]] == "fit failed: the fit did not move"
        assert remarks[screen.drugs[-1]] == "inverted"

    def test_the_waterfall_has_a_bar_per_score(self, screen, page):
        (figure,) = page.find("svg", class_="waterfall")
        own = screen.scores[screen.scores["readout"] == screen.headline]
        bars = figure.find("a", class_="bar")
        assert len(bars) == own["dss_asym"].notna().sum()
        assert len(figure.find("rect", class_="hit")) == own["hit"].sum()

    def test_what_intervals_hold_and_what_not_stands_beside_them(self, screen, held, tmp_path):
        def told(**changes):
            return build(screen, out=tmp_path / "r.html", **changes)[1].section("ranking").text

        scoring = screen.arguments()["scoring"]
        assert screen.headline == "viability_phase3"
        assert "that is in no interval" in told()
        known = told(scoring=scoring | {"network_error": True})
        assert "wells and controls scatter and what such networks get wrong on simulated" in known
        assert "is an assumption" in known and "in no interval" not in known
        both = told(scoring=scoring | {"network_error": True, "between_models": True})
        assert "scatter, what the models of the cross-fit differ about and what such" in both
        plain = told(headline="mean_of_stack", scoring=scoring | {"network_error": True})
        assert "how much wells and controls scatter." in plain and "network" not in plain
        assert (
            "Intervals hold" not in build(held, out=tmp_path / "h.html")[1].section("ranking").text
        )

    def test_a_hit_that_the_networks_error_would_unmake_says_so(self):
        record = {
            "status": "ok",
            "dss_asym": 14.0,
            "hit": True,
            "hit_published": True,
            "dss_asym_low": 6.5,
            "dss_asym_low_wells": 11.0,
        }
        (told,) = flags(record, 10.0)
        assert "if the network misreads it" in told and "6.5" in told
        assert flags(record | {"dss_asym_low": 10.5}, 10.0) == []
        (told,) = flags(record | {"hit": False, "dss_asym_low_wells": 9.0}, 10.0)
        assert told.endswith("from 9.0 by the scatter of its wells")
        older = {name: value for name, value in record.items() if name != "dss_asym_low_wells"}
        assert flags(older | {"hit": False}, 10.0)[0].endswith(
            "from 6.5 by the scatter of its wells"
        )

    def test_methods_say_what_samples_were_drawn_with(self, screen, tmp_path):
        def told(**changes):
            own = screen.arguments()["scoring"] | changes
            return build(screen, out=tmp_path / "r.html", scoring=own)[1].section("methods").text

        models, network = "difference between models", "such networks' errors are on simulated"
        assert models not in told() and network not in told()
        assert models in told(between_models=True) and network in told(network_error=True)

    def test_classes_come_from_the_drugs_sheet(self, screen, tmp_path):
        sheet = tmp_path / "drugs.tsv"
        sheet.write_text(
            "drug\tsynonyms\tclass\ttarget\nmek blocker\tTrametinib; X\tkinase inhibitor\tMEK1\n"
        )
        _, page = build(screen, out=tmp_path / "r.html", drugs=sheet)
        row = next(r for r in self.rows(page) if r[1] == "Trametinib")
        assert row[3] == "kinase inhibitor MEK1"

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({}, "30 nM"),
            ({"abs_ic50": 1e9}, "> 10 µM"),
            ({"abs_ic50": math.nan}, "> 10 µM"),
            ({"pi1": 60.0, "abs_ic50": 0.01}, "< 1 nM"),
            ({"pi2": 40.0, "abs_ic50": 10000.0}, "> 10 µM"),
            ({"status": "inverted"}, "–"),
            ({"status": "failed", "abs_ic50": math.nan}, "–"),
        ],
    )
    def test_ic50_is_never_a_number_outside_the_doses(self, changes, expected):
        record = {
            "status": "ok",
            "abs_ic50": 30.0,
            "pi1": 5.0,
            "pi2": 95.0,
            "min_concentration": 1.0,
            "max_concentration": 1e4,
        }
        value, told = ic50(record | changes)
        assert told == expected
        assert (value is None) == (told != "30 nM")


class TestHeld:
    def test_nothing_is_ranked(self, held):
        html, page = build(held)
        assert "On hold" in page.section("verdict").text
        assert (
            "Plate PL1: robust Z′ (cross-fitted) is −0.40, at least 0.4 is needed."
            in page.section("verdict").text
        )
        assert not page.find("svg", class_="waterfall")
        assert not page.find("table", id_="ranked")
        assert not page.find(class_="is-hit")
        assert "the screen is on hold" in page.section("comparison").text
        for score in held.scores["dss_asym"].dropna():
            assert (
                f">{score:.1f}<" not in page.section("ranking").text + page.section("curves").text
            )
        assert "DSS</dt>" not in html

    def test_drugs_stand_in_alphabetical_order_marked_so(self, held):
        _, page = build(held)
        names = [
            e.find("bdi")[0].text for e in page.section("curves").find("article", class_="card")
        ]
        assert names[: len(held.drugs)] == sorted(held.drugs, key=str.casefold)
        assert page.section("curves").text.count("not for ranking") == len(held.drugs)

    def test_keys_do_not_betray_the_rank(self, held):
        _, page = build(held)
        drugs = page.data["drugs"]
        assert list(drugs.values()) == sorted(held.drugs, key=str.casefold)

    def test_quality_failures_are_shown(self, held):
        _, page = build(held)
        failed = page.section("quality").find("tr", class_="is-fail")
        assert [row.find("th")[0].text for row in failed] == ["robust Z′ cross-fitted", "robust Z′"]
        assert "gate" in failed[0].text

    @pytest.mark.parametrize(
        "verdict",
        [
            {},
            {"verdict": ""},
            {"verdict": "waiting", "reasons": ["plate P2 is missing"]},
            {"verdict": "refused"},
        ],
    )
    def test_only_a_pass_is_a_pass(self, copy, verdict):
        write_json(copy.folder / "verdict.json", verdict)
        _, page = build(copy)
        assert page.find("html")[0].attributes["class"] == "held"
        assert not page.find("svg", class_="waterfall")
        for reason in verdict.get("reasons", []):
            assert reason in page.section("verdict").text


class TestHostileNames:
    def test_names_are_text_everywhere(self, hostile):
        html, page = build(hostile)
        assert len(page.find("script")) == 2
        assert not page.find("img", class_="x")
        assert not [e for e in page.find() for a in e.attributes if a.startswith("on")]
        assert "<script>alert" not in html
        assert html.count("</script>") == 2
        assert not [a for a in page.addresses if not a.startswith(("#", "data:"))]

    @pytest.mark.parametrize("name", HOSTILE)
    def test_names_stand_whole_in_table_and_data(self, hostile_page, name):
        page = hostile_page
        shown = [e.text for e in page.section("ranking").find("bdi")]
        assert any(" ".join(name.split()) == " ".join(text.split()) for text in shown)
        assert name in page.data["drugs"].values()

    def test_json_cannot_end_its_element(self):
        text = script_json({"a": "</script><!--<script>", "b": "\u2028\u2029&"})
        assert not set("<>&\u2028\u2029") & set(text)

    def test_metrics_notes_and_flags_are_escaped(self, copy):
        quality = pd.read_csv(copy.folder / "quality.tsv", sep="\t")
        quality.loc[0, "note"] = "<img src=x>"
        quality.to_csv(copy.folder / "quality.tsv", sep="\t", index=False)
        write_json(copy.folder / "verdict.json", {"verdict": "hold", "reasons": ["<b>bold</b>"]})
        html, page = build(copy)
        assert "<img src=x>" not in html
        assert "<b>bold</b>." in page.section("verdict").text


class TestPlates:
    def test_wells_without_a_value_are_hatched_and_listed(self, screen, page):
        lost = screen.responses[
            (screen.responses["flag"] == "damaged")
            & (screen.responses["readout"] == screen.headline)
        ]
        article = page.section("plates").find("article", class_="plate")[0]
        rows = {r.find("th")[0].text: r.text for r in article.find("tbody")[0].find("tr")}
        assert "plane 3 is cut off" in rows[lost["well"].iloc[0]]
        hatched = [
            e
            for e in article.find("svg")[0].find("rect", class_="well")
            if "hatch" in e.attributes["fill"]
        ]
        assert len(hatched) == len(rows) + 1  # and the key

    def test_data_of_each_well(self, screen, page):
        row = screen.responses[
            (screen.responses["role"] == "treatment") & screen.responses["used"]
        ].iloc[0]
        role, key, content, _, replicate, remark, values = page.data["wells"][
            f"{row['plate']}/{row['well']}"
        ]
        assert (role, content, replicate, remark) == (
            "drug",
            row["treatment"],
            row["replicate"],
            "",
        )
        assert page.data["drugs"][key] == row["treatment"]
        assert len(values) == len(page.data["readouts"]) == 3
        assert float(values[0][0].replace("−", "-")) == pytest.approx(row["value"], abs=1e-3)

    def test_empty_wells_have_no_number(self, copy):
        path = copy.folder / "responses.parquet"
        frame = tables.read_table(path, tables.RESPONSES)
        empty = frame.iloc[[0]].assign(
            well="A01", role="empty", treatment="", value=77.0, viability=math.nan, used=False
        )
        tables.write_table(pd.concat([frame, empty]), path, tables.RESPONSES)
        _, page = build(copy)
        assert "PL1/A01" not in page.data["wells"]
        assert not [e for e in page.find("rect") if e.attributes.get("data-w") == "PL1/A01"]
        assert "A01" not in page.section("plates").find("tbody")[0].text

    def test_contrast_of_the_configuration_decides_who_is_a_control(self, screen, tmp_path):
        side = {"role": None, "concentration": None}
        contrast = {
            "negative": {**side, "treatment": "DMSO"},
            "positive": {"role": "titration", "treatment": None, "concentration": 1000.0},
        }
        _, page = build(screen, out=tmp_path / "r.html", contrasts={screen.headline: contrast})
        group = page.section("montage").find(class_="positive")[0]
        wells = {e.attributes["data-w"] for e in group.find("button")}
        own = screen.responses[
            (screen.responses["role"] == "titration")
            & (screen.responses["concentration"] == 1000.0)
        ]
        assert wells <= {f"{p}/{w}" for p, w in zip(own["plate"], own["well"], strict=True)}
        assert "Staurosporine 1 µM" in page.section("methods").text


class TestMontage:
    def test_the_outlier_comes_first_and_is_marked(self, screen, page):
        outlier = screen.responses[screen.responses["role"] == "negative_control"].iloc[0]
        first = page.section("montage").find("li")[0]
        assert first.classes == {"outlier"}
        assert outlier["well"] in first.text

    def test_outliers(self):
        assert outlying([1.0, 1.01, 0.99, 1.0, 0.4]) == [False] * 4 + [True]
        assert outlying([1.0, 1.0, 1.0, 1.05]) == [False] * 4  # nearly equal wells make no outlier
        assert outlying([1.0, 1.1, 0.2]) == [False] * 3  # too few to say
        assert outlying([math.nan, 1.0, 1.0, 1.0, 0.0]) == [False] * 4 + [True]


class TestTraining:
    def test_phases_and_reasons(self, page):
        section = page.section("training")
        articles = section.find("article")
        assert "Not trained: no drug has two replicates." in articles[2].text
        assert len(articles[0].find("svg")) == len(articles[1].find("svg")) == 3
        assert "0.5004" in articles[0].find("svg")[0].text
        assert "Cross-fitted" in articles[3].find("svg")[0].attributes["aria-label"]

    def test_history_with_a_row_per_split(self, copy):
        rows = [
            {
                "epoch": e,
                "split": s,
                "images": 9,
                "loss": 0.6 / e + 0.1 * (s == "validation"),
                "accuracy": 1.0,
                "auroc": 1.0,
            }
            for e in (1, 2)
            for s in ("train", "validation")
        ]
        path = copy.folder / copy.network / "phase2_history.tsv"
        pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
        _, page = build(copy)
        text = page.section("training").find("article")[1].text
        assert "loss0.300" in text.replace(" ", "")
        assert "validationloss0.400" in text.replace(" ", "")

    def test_methods_are_written_from_the_records(self, copy):
        path = copy.folder / copy.network / "phase2.json"
        record = read_json(path)
        record["recipe"] |= {"epochs": 17, "learning_rate": 3e-7, "augmentation": "legacy"}
        write_json(path, record)
        _, page = build(copy)
        text = page.section("methods").text
        assert "Phase II: 17 epochs, Adam with learning rate 3 × 10^−7" in text
        assert "“legacy”" in text
        assert "10.1109/TMI.2022.3205554" in text
        assert "0 % is Staurosporine 250 nM" in text
        assert "bfloat16" not in text  # trained on a CPU
        record["recipe"]["network"], record["bfloat16"] = "vgg19", True
        write_json(path, record)
        _, page = build(copy)
        assert "products of its convolutions in bfloat16" in page.section("methods").text


class TestComparison:
    def test_mismatches_are_those_of_the_table(self, screen, page):
        wide = screen.scores.pivot(index="treatment", columns="readout", values="dss_asym").dropna()
        mine = wide[screen.headline] > 10
        pairs = page.section("comparison").find("article")
        assert len(pairs) == 2
        for article, other in zip(pairs, ("viability_phase2", "mean_of_stack"), strict=True):
            expected = set(wide.index[mine != (wide[other] > 10)])
            assert {e.text for e in article.find("bdi")} == expected


class TestMissingInputs:
    @pytest.mark.parametrize(
        "name",
        [
            "curves.parquet",
            "scores.tsv",
            "quality.tsv",
            "verdict.json",
            "admission.json",
            "layout.parquet",
            "responses.parquet",
        ],
    )
    def test_one_file_is_missing(self, copy, name):
        (copy.folder / name).unlink()
        _, page = build(copy)
        assert f"{name}: the file does not exist" in page.section("methods").text
        if name in ("scores.tsv", "verdict.json"):
            assert not page.find("svg", class_="waterfall")

    def test_everything_is_missing(self, tmp_path):
        out = tmp_path / "report.html"
        build_report(
            screen="S",
            folder=tmp_path / "none",
            plates_root=tmp_path / "none",
            out=out,
            headline="metabolic",
        )
        page = Page(out.read_text())
        assert "On hold" in page.section("verdict").text
        assert "verdict.json is missing" in page.section("verdict").text
        assert len(page.find("section")) == 11

    def test_no_images_and_no_network(self, copy):
        for plate in copy.plates:
            shutil.rmtree(copy.plates_root / plate / "wells.zarr")
        shutil.rmtree(copy.folder / copy.network)
        _, page = build(copy, network="")
        assert not page.find("image")
        assert "made of readout files" in page.section("curves").text
        assert "without a network" in page.section("training").text

    def test_a_refused_plate_says_why(self, copy):
        reason = {
            "code": "missing_planes",
            "level": "refused",
            "found": "7 of 20 planes",
            "expected": "20",
            "where": "B02",
            "hint": "copy again",
        }
        write_json(
            copy.plates_root / "PL1" / "admission.json",
            {"verdict": "refused", "reasons": [reason], "wells": {}},
        )
        write_json(
            copy.folder / "admission.json",
            {"verdict": "refused", "reasons": ["plate PL1 is refused: 7 of 20 planes"]},
        )
        write_json(copy.folder / "verdict.json", {"verdict": "hold", "reasons": []})
        (copy.folder / "responses.parquet").unlink()
        _, page = build(copy)
        assert "plate PL1 is refused: 7 of 20 planes." in page.section("verdict").text
        text = page.section("plates").text
        assert "Admission: refused" in text
        assert "7 of 20 planes" in text
        assert "No well of this plate has a value" in text

    def test_reasons_in_words(self):
        assert reason_text("broken") == "broken."
        record = {
            "code": "too_big",
            "found": "3 GB",
            "expected": "2 GB",
            "where": "B02",
            "hint": "look",
        }
        assert reason_text(record) == "B02: Too big; 3 GB; expected 2 GB. Look."

    @pytest.mark.parametrize("name", ["responses.parquet", "scores.tsv", "verdict.json"])
    def test_a_damaged_file_is_an_error(self, copy, name):
        (copy.folder / name).write_bytes(b"\x00\xff damaged")
        with pytest.raises(StoreError):
            build(copy)

    def test_scores_keep_names_that_look_like_something_else(self, tmp_path):
        names = ["NA", "nan", "1E5", "TRUE", "2024-03-01", "NULL", ""]
        frame = pd.DataFrame(
            {"treatment": names, "readout": "r", "dss_asym": np.arange(7.0), "hit": True}
        )
        frame.to_csv(tmp_path / "scores.tsv", sep="\t", index=False)
        table = read_scores(tmp_path / "scores.tsv")
        assert list(table["treatment"]) == names
        assert table["hit"].all()
        assert not table["hit_published"].any()


class TestImages:
    def test_colour_keeps_its_hue(self):
        colours = pseudo_colour(np.array([[0.0, 0.5, 1.0, 9.0]]))
        assert colours[0, 0].tolist() == [0, 0, 0]
        assert colours[0, 2].tolist() == colours[0, 3].tolist() == [51, 0, 255]
        assert colours[0, 1, 1] == 0

    def test_one_scale_for_all(self):
        dim, bright = np.full((8, 8), 100.0, np.float32), np.full((8, 8), 1000.0, np.float32)
        dim[0, 0] = 0
        black, full = window([dim, bright])
        assert black < full
        assert window([dim * 0]) == (0.0, 1.0)

    def test_size_follows_the_number_of_wells(self):
        sides = [image_side(n) for n in (10, 924, 3000, 20000)]
        assert sides[0] == 96
        assert sides == sorted(sides, reverse=True)

    def test_the_budget_holds_for_noise_too(self):
        noise = np.random.default_rng(0).normal(1000, 300, (60, 96, 96)).astype(np.float32)
        images = {f"P/{i}": image for i, image in enumerate(noise)}
        found = encode(images, budget=150_000)
        assert sum(map(len, found.uris.values())) <= 150_000
        assert found.side < 96
        assert encode(images).side == 96

    def test_no_stores_say_why(self):
        assert "readout files" in thumbnails({}, wells=3).reason


@pytest.mark.slow
def test_a_full_screen_stays_small(tmp_path):
    """75 drugs at 5 doses in duplicate on three plates, every readout, and images that hardly shrink."""
    screen = make_screen(
        tmp_path, drugs=75, plates=3, shape=(16, 24), readouts=report_screen.READOUTS, image_side=0
    )
    noise = np.random.default_rng(0).normal(1000, 300, (350, 2, 96, 96)).astype(np.float32)
    for plate in screen.plates:
        report_screen.write_images(screen, plate, noise)
    html, page = build(screen)
    assert len(html.encode()) < 8e6
    own = screen.scores[screen.scores["readout"] == screen.headline]
    shown = {e.text for e in page.section("ranking").find("bdi")}
    assert shown == {drug_name(t) for t in own["treatment"]}
