import re
import subprocess
import sys

import jsonschema
import pytest
import yaml

from exvivo.errors import ConfigError
from exvivo.sheets import contrast_of, load_config
from exvivo.sheets.names import IMAGE_READOUTS, INSTRUMENTS, NETWORKS
from exvivo.sheets.schema import SCHEMAS, read_schema

NAMES = ("config", "plates", "screens", "samples", "drugs", "layouts")


def nodes(node, path=""):
    """Every node of a schema with its path."""
    if isinstance(node, dict):
        yield path, node
        for key, child in node.items():
            yield from nodes(child, f"{path}/{key}")


def refused(content):
    with pytest.raises(ConfigError) as caught:
        load_config(content)
    return str(caught.value)


def test_an_empty_configuration_is_valid_and_has_all_defaults():
    config = load_config({})
    assert config["plates"] == "config/plates.tsv"
    assert config["samples"] is None
    assert config["imaging"] == {"channel": "1", "input_size": 224, "pattern": None}
    assert config["admission"]["damaged_wells_limit"] == 0.05
    assert config["training"]["weights"] == dict.fromkeys(NETWORKS)
    assert config["training"]["recipes"] == {}
    assert config["scoring"] == {
        "method": "itrex",
        "threshold": "variable",
        "hit": 10,
        "reference": None,
        "between_models": False,
        "network_error": True,
        "bootstrap": {"samples": 500, "level": 0.95, "seed": 0},
    }
    assert config["quality"]["robust_z_prime"] == {"good": 0.5, "bad": 0.0, "gate": True}


def test_filling_defaults_twice_changes_nothing():
    config = load_config(
        {"readouts": {"metabolic": {"contrast": {"positive": {"treatment": "BzCl"}}}}}
    )
    assert load_config(config) == config


def test_the_given_content_is_not_changed_and_not_shared():
    content = {"imaging": {"channel": "2"}}
    first, second = load_config(content), load_config(content)
    first["quality"]["robust_z_prime"]["good"] = 99
    assert content == {"imaging": {"channel": "2"}}
    assert second["quality"]["robust_z_prime"]["good"] == 0.5
    assert load_config({})["quality"]["robust_z_prime"]["good"] == 0.5


def test_limits_given_in_part_keep_the_rest():
    limits = load_config({"quality": {"robust_z_prime": {"good": 0.4}}})["quality"][
        "robust_z_prime"
    ]
    assert limits == {"good": 0.4, "bad": 0.0, "gate": True}


def test_a_contrast_by_treatment_does_not_keep_the_default_role():
    content = {"readouts": {"metabolic": {"contrast": {"positive": {"treatment": "BzCl"}}}}}
    contrast = contrast_of(load_config(content), "metabolic")
    assert contrast["positive"] == {"role": None, "treatment": "BzCl", "concentration": None}
    assert contrast["negative"]["role"] == "negative_control"


def test_a_readout_that_is_not_mentioned_has_the_roles_as_contrast():
    contrast = contrast_of(load_config({}), "viability_phase2")
    assert contrast["positive"] == {
        "role": "positive_control",
        "treatment": None,
        "concentration": None,
    }


def test_recipes_keep_only_what_is_given():
    content = {"training": {"recipes": {"small": {"phase1": {"epochs": 3}}}}}
    assert load_config(content)["training"]["recipes"] == {"small": {"phase1": {"epochs": 3}}}


def test_a_whole_number_written_with_a_dot_becomes_one():
    folds = load_config({"training": {"folds": 4.0}})["training"]["folds"]
    assert isinstance(folds, int)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"imagin": {}}, ["key imagin: found an unknown key", "Did you mean 'imaging'?"]),
        ({"imaging": {"chanel": "1"}}, ["key imaging.chanel", "Did you mean 'channel'?"]),
        ({"imaging": {"channel": 1}}, ["key imaging.channel: found the number 1", "in quotes"]),
        ({"imaging": {"input_size": 8}}, ["key imaging.input_size", "at least 32"]),
        ({"imaging": {"pattern": "(?P<site>x)"}}, ["imaging.pattern", "(?P<well>…)"]),
        ({"imaging": {"pattern": "(?P<well>x"}}, ["imaging.pattern", "a regular expression"]),
        ({"imaging": None}, ["key imaging: found nothing; expected a section with keys"]),
        ({"pseudonym_pattern": "["}, ["key pseudonym_pattern", "a regular expression"]),
        ({"admission": {"damaged_wells_limit": 5}}, ["damaged_wells_limit", "at most 1"]),
        ({"admission": {"damaged_wells_limit": float("nan")}}, ["found nan", "a finite number"]),
        ({"admission": {"settle_minutes": float("inf")}}, ["settle_minutes", "a finite number"]),
        ({"training": {"device": "gpu"}}, ["key training.device", "one of auto, cpu, cuda"]),
        ({"training": {"folds": True}}, ["training.folds: found True", "a whole number"]),
        ({"training": {"seed": 1.5}}, ["training.seed", "a whole number"]),
        ({"training": {"weights": {"vgg": "x"}}}, ["training.weights.vgg", "vgg19"]),
        ({"training": {"recipes": {"resnet5": {}}}}, ["Did you mean 'resnet50'?"]),
        (
            {"training": {"recipes": {"vgg19": {"phase1": {"learning_rate": "1e-7"}}}}},
            ["training.recipes.vgg19.phase1.learning_rate", "the text '1e-7'", "1.0e-7"],
        ),
        ({"readouts": {"a b": {}}}, ["key readouts.a b: found an unknown key"]),
        (
            {"readouts": {"x": {"contrast": {"positive": {}}}}},
            ["readouts.x.contrast.positive", "at least 1 key"],
        ),
        (
            {"readouts": {"x": {"contrast": {"positive": {"concentration": 5}}}}},
            ["readouts.x.contrast.positive", "with concentration also treatment"],
        ),
        (
            {"readouts": {"x": {"contrast": {"positive": {"role": "pos"}}}}},
            ["contrast.positive.role", "positive_control"],
        ),
        ({"scoring": {"threshold": "fixed"}}, ["scoring.threshold", "`variable` or a number"]),
        ({"scoring": {"threshold": 100}}, ["scoring.threshold", "`variable` or a number"]),
        ({"quality": {"robust_z_prime": {"good": 0}}}, ["robust_z_prime", "two different limits"]),
        ({"quality": {"min_controls": 1}}, ["quality.min_controls", "at least 2"]),
        (["a", "list"], ["as a whole", "a section with keys"]),
        (None, ["as a whole: found nothing"]),
    ],
)
def test_bad_values_are_named_with_their_key(content, parts):
    text = refused(content)
    assert all(part in text for part in parts), text


def test_all_problems_are_told_at_once():
    content = {"imagin": {}, "training": {"device": "gpu", "folds": 1}, "report": {"x": 1}}
    text = refused(content)
    assert text.startswith("4 problem(s)")
    for key in ("imagin", "training.device", "training.folds", "report.x"):
        assert f"key {key}:" in text


@pytest.mark.parametrize("name", NAMES)
def test_schemas_are_valid_closed_and_described(name):
    schema = read_schema(name)
    jsonschema.Draft202012Validator.check_schema(schema)
    for path, node in nodes(schema):
        if node.get("type") == "object":
            assert node.get("additionalProperties") is False, path
        for key, child in node.get("properties", {}).items():
            if "$ref" not in child:
                assert child.get("description", "").endswith("."), f"{path}/{key}"


@pytest.mark.parametrize("name", NAMES)
def test_defaults_fit_their_own_schema(name):
    schema = read_schema(name)
    for path, node in nodes(schema):
        if "default" in node and node["default"] != "":
            alone = {key: value for key, value in node.items() if key != "default"}
            alone["$defs"] = schema.get("$defs", {})
            errors = list(jsonschema.Draft202012Validator(alone).iter_errors(node["default"]))
            assert errors == [], path


def test_schemas_know_the_same_words_as_the_library():
    assert tuple(read_schema("plates")["properties"]["instrument"]["enum"]) == INSTRUMENTS
    assert tuple(read_schema("screens")["properties"]["network"]["enum"]) == NETWORKS
    training = read_schema("config")["properties"]["training"]["properties"]
    assert tuple(training["weights"]["properties"]) == NETWORKS
    assert tuple(training["recipes"]["properties"]) == NETWORKS
    text = read_schema("screens")["properties"]["readouts"]["description"]
    assert all(readout in text for readout in IMAGE_READOUTS)


def test_the_patterns_of_ids_are_the_same_everywhere():
    text = "".join(path.read_text() for path in SCHEMAS.glob("*.yaml"))
    patterns = set(re.findall(r'"(\^\[A-Za-z0-9\]\+\(\[\._-\][^"]*?\$)"', text))
    assert len([p for p in patterns if "," not in p]) == 1


def test_the_shipped_configuration_is_valid_and_mentions_only_known_keys(repository):
    content = yaml.safe_load((repository / "config" / "config.yaml").read_text())
    config = load_config(content)
    # What it says of a default is the default; the folder of the data is its own.
    assert {**config, "data_root": "."} == load_config({})


def test_importing_the_sheets_brings_no_heavy_library():
    code = (
        "import sys, exvivo.sheets; exvivo.sheets.load_config({});"
        "heavy = {'numpy', 'pandas', 'pyarrow', 'torch', 'zarr', 'snakemake'} & set(sys.modules);"
        "sys.exit(', '.join(heavy) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
