"""Captions of `snakemake --report`: each is filled in without a gap and is sound reStructuredText."""

import io
from types import SimpleNamespace

import pytest
from docutils.core import publish_doctree
from jinja2 import Environment, StrictUndefined

from exvivo.sheets import load_config

CAPTIONS = [
    "workflow",
    "report",
    "scores",
    "quality",
    "cohort",
    "facility",
    "markers",
    "pan",
    "search",
]


def filled(repository, name: str, **scoring) -> str:
    config = load_config({})
    config["scoring"] |= scoring
    snakemake = SimpleNamespace(
        config=config,
        wildcards=SimpleNamespace(screen="S_1"),
        params=SimpleNamespace(
            sample="P-1", headline="viability_phase2", scoring=config["scoring"], limits=config["quality"]
        ),
    )  # fmt: skip
    text = (repository / "workflow" / "report" / f"{name}.rst").read_text(encoding="utf-8")
    return Environment(undefined=StrictUndefined).from_string(text).render(snakemake=snakemake)


@pytest.mark.parametrize("name", CAPTIONS)
@pytest.mark.parametrize("threshold", ["variable", 12.5])
def test_captions(repository, name, threshold):
    text = filled(repository, name, threshold=threshold)
    complaints = io.StringIO()
    publish_doctree(text, settings_overrides={"warning_stream": complaints, "report_level": 1})
    assert complaints.getvalue() == ""
    assert "{" not in text


def test_no_caption_is_left_over(repository):
    assert sorted(p.stem for p in (repository / "workflow" / "report").glob("*.rst")) == sorted(
        CAPTIONS
    )


def test_limits_and_method_are_stated(repository):
    assert "DSS_asym > 7.5" in filled(repository, "report", hit=7.5)
    assert "12.5 % inhibition" in filled(repository, "scores", threshold=12.5)
    assert "good from 0.5, bad below" in " ".join(filled(repository, "quality").split())
