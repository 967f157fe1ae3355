"""From the sheets to the files of single cells: channels, markers, models, readouts. As `exvivo.targets`: no image library.

Networks are named by their readout: `morphology_fraction` is the mCNN's, `morphology_fraction_resnet` the ResNet's.
"""

from __future__ import annotations

import re
from typing import Any

from exvivo.sheets import Sheets
from exvivo.sheets.markers import CellMarker, parse_markers
from exvivo.sheets.names import CELL_READOUTS
from exvivo.targets import contrasts

STAIN, BRIGHT_FIELD = "DAPI", "BF"
NETWORKS = ("mcnn", "resnet")
SCRIPTS = [
    "segment_plate.py",
    "crop_plate.py",
    "label_cells.py",
    "train_morphology.py",
    "choose_marker.py",
    "predict_cells.py",
    "count_cells.py",
]
_BY_NETWORK = {
    "morphology_fraction": "mcnn",
    "cancer_count": "mcnn",
    "healthy_count": "mcnn",
    "morphology_fraction_resnet": "resnet",
}
ALL = "all"  # scope of a network for the cells of all samples
_FIRST = "mcnn"  # whose training chooses the marker of the readouts that need no network


def network_of(readout: str) -> str:
    """The network that calls the cells of a readout; empty where a marker does, or nothing."""
    return _BY_NETWORK.get(readout, "")


def cell_readouts(sheets: Sheets, screen: str) -> list[str]:
    """Readouts of a screen that count cells."""
    return [name for name in sheets.screens[screen].readouts if name in CELL_READOUTS]


def cell_contrast(sheets: Sheets, config: dict[str, Any], screen: str) -> dict[str, Any]:
    """Whose negative side the limits of whole cells come from: that of the first readout that counts cells."""
    return contrasts(sheets, config, screen)[cell_readouts(sheets, screen)[0]]


def networks(sheets: Sheets, screen: str) -> list[str]:
    """Networks for cells that a screen asks for."""
    own = {network_of(name) for name in cell_readouts(sheets, screen)}
    return [name for name in NETWORKS if name in own]


def readout_file(screen: str, readout: str) -> str:
    """Table of a readout that counts cells."""
    return f"results/screens/{screen}/readouts/{readout}.parquet"


def markers(sheets: Sheets, screen: str) -> list[CellMarker]:
    """Markers of the screen's sample; none where the sheet has no row, or words only."""
    row = sheets.samples.get(sheets.screens[screen].sample) or {}
    return parse_markers(row.get("markers", "")) or []


def meanings(sheets: Sheets, screen: str) -> dict[str, str]:
    """What each marker of the screen's sample marks."""
    return {marker.name: marker.means for marker in markers(sheets, screen)}


def channels(sheets: Sheets, config: dict[str, Any], plate: str) -> dict[str, str]:
    """Names of a plate's channels and the instrument's: nuclear stain, bright-field if any, markers."""
    screen = sheets.plates[plate].screen
    own = {STAIN: config["imaging"]["channel"]}
    if networks(sheets, screen):
        own[BRIGHT_FIELD] = config["cells"]["bright_field"]
    return own | {marker.name: marker.channel for marker in markers(sheets, screen)}


def crop_channels(sheets: Sheets, config: dict[str, Any], plate: str) -> dict[str, str]:
    """The channels that a network sees: no marker, or it would learn the label."""
    own = channels(sheets, config, plate)
    return {name: own[name] for name in (STAIN, BRIGHT_FIELD) if name in own}


def crop_settings(config: dict[str, Any]) -> dict[str, Any]:
    """What a crop is, as `exvivo.crops.CropSettings` takes it."""
    return {**config["cells"]["crops"], "channels": (STAIN, BRIGHT_FIELD)}


def models(sheets: Sheets, config: dict[str, Any], screen: str, network: str) -> list[str]:
    """Models of a screen and network, one per marker; a released one instead where the configuration names it."""
    if released := config["cells"]["models"].get(network):
        return [released]
    folder = f"results/screens/{screen}/cells/{network}"
    return [f"{folder}/{marker.name}.safetensors" for marker in markers(sheets, screen)]


def start(config: dict[str, Any], network: str) -> list[str]:
    """The network that a training goes on from, if the configuration names one."""
    named = config["cells"]["training"]["start"].get(network)
    return [named] if named else []


def records(sheets: Sheets, config: dict[str, Any], screen: str, network: str) -> list[str]:
    """Records beside the models that a screen trains by itself."""
    if config["cells"]["models"].get(network):
        return []
    own = models(sheets, config, screen, network)
    return [model.removesuffix(".safetensors") + ".json" for model in own]


def choice(sheets: Sheets, screen: str, readout: str) -> list[str]:
    """Which marker calls the cells of a readout: by its own network, else by the screen's first one, if any."""
    own = networks(sheets, screen)
    network = network_of(readout) or (_FIRST if _FIRST in own else next(iter(own), ""))
    return [f"results/screens/{screen}/cells/{network}_marker.json"] if network else []


def calls(sheets: Sheets, screen: str, readout: str, plates: list[str]) -> list[str]:
    """What the readout's network says of each cell, one table per plate."""
    network = network_of(readout)
    folder = f"results/screens/{screen}/cells/{network}/calls"
    return [f"{folder}/{plate}.parquet" for plate in plates] if network else []


def training_settings(config: dict[str, Any], network: str) -> dict[str, Any]:
    """What of the configuration changes a network for cells."""
    training = config["cells"]["training"]
    recipe = {k: v for k, v in (training["recipes"].get(network) or {}).items() if v is not None}
    return {
        "per_class": training["per_class"],
        "recipe": recipe,
        "seed": config["training"]["seed"],
    }


def pan_networks(sheets: Sheets, config: dict[str, Any]) -> list[str]:
    """Networks that the configuration asks to be trained on many samples, where any screen's cells could teach them."""
    return [name for name in config["cells"]["pan"]["networks"] if pan_screens(sheets, name)]


def pan_screens(sheets: Sheets, network: str, scope: str = ALL) -> list[str]:
    """Screens whose cells a network for many samples learns from: open ones that use it; of one diagnosis by its scope."""
    return [
        screen
        for screen, row in sheets.screens.items()
        if row.status == "open"
        and network in networks(sheets, screen)
        and (scope == ALL or scope == scope_of(_diagnosis(sheets, screen)))
    ]


def scopes(sheets: Sheets, config: dict[str, Any], network: str) -> list[str]:
    """What networks for many samples are trained on: all of them, and if asked for each diagnosis."""
    own = [scope_of(_diagnosis(sheets, screen)) for screen in pan_screens(sheets, network)]
    by = config["cells"]["pan"]["by_diagnosis"]
    return [ALL, *(sorted(set(own) - {"", ALL}) if by else [])]


def scope_of(diagnosis: str) -> str:
    """A diagnosis as part of a file name; empty if there is none."""
    return re.sub("[^A-Za-z0-9]+", "-", diagnosis).strip("-").lower()


def _diagnosis(sheets: Sheets, screen: str) -> str:
    return (sheets.samples.get(sheets.screens[screen].sample) or {}).get("diagnosis", "")


def pan_samples(sheets: Sheets, network: str, scope: str = ALL) -> list[str]:
    """The sample of each of those screens; a screen without one stands for itself."""
    return [sheets.screens[s].sample or s for s in pan_screens(sheets, network, scope)]


def pan_sets(sheets: Sheets, network: str, scope: str = ALL, suffix: str = "") -> list[str]:
    """Cells of each of those screens; with `suffix` `_solvent` those of its solvent wells."""
    return [
        f"results/screens/{screen}/cells/sets/{network}{suffix}.safetensors"
        for screen in pan_screens(sheets, network, scope)
    ]


def pan_labels(sheets: Sheets, network: str) -> dict[str, dict[str, str]]:
    """What is known of those samples that cells may lie together by: name → sample → label."""
    screens = zip(pan_samples(sheets, network), pan_screens(sheets, network), strict=True)
    rows = {name: sheets.samples.get(sheets.screens[s].sample) or {} for name, s in screens}
    return {
        column: {name: row.get(column, "") for name, row in rows.items()}
        for column in ("diagnosis", "imaging")
    }


def pan_settings(config: dict[str, Any], network: str) -> dict[str, Any]:
    """What of the configuration changes a network for many samples."""
    pan = config["cells"]["pan"]
    recipe = {k: v for k, v in (pan["recipes"].get(network) or {}).items() if v is not None}
    return {"folds": pan["folds"], "recipe": recipe, "seed": config["training"]["seed"]}


def pan_tables(sheets: Sheets, config: dict[str, Any], network: str) -> list[str]:
    """How each of the networks for many samples fares with each sample."""
    own = scopes(sheets, config, network)
    return [f"results/cohort/cells/{network}_{scope}_samples.tsv" for scope in own]


def pan_choices(sheets: Sheets, network: str) -> list[str]:
    """Which marker labels the cells of each screen that a network for many samples learns from."""
    own = pan_screens(sheets, network)
    return [f"results/screens/{screen}/cells/{network}_marker.json" for screen in own]


def pan_records(sheets: Sheets, config: dict[str, Any], network: str) -> list[str]:
    """Records of the networks that those screens train by themselves."""
    own = pan_screens(sheets, network)
    return [file for screen in own for file in records(sheets, config, screen, network)]


def pan_facts(sheets: Sheets, config: dict[str, Any], network: str) -> list[dict[str, Any]]:
    """Screen, sample and diagnosis of each of them, the scope of its diagnosis, and the records of its own networks."""
    known = zip(pan_screens(sheets, network), pan_samples(sheets, network), strict=True)
    facts = []
    for screen, sample in known:
        diagnosis = _diagnosis(sheets, screen)
        row = {"screen": screen, "sample": sample, "diagnosis": diagnosis}
        own = records(sheets, config, screen, network)
        facts.append(row | {"scope": scope_of(diagnosis), "records": own})
    return facts


def pan_files(sheets: Sheets, config: dict[str, Any]) -> list[str]:
    """Networks for many samples and their maps, where the configuration asks for them."""
    found = []
    for network in pan_networks(sheets, config):
        own = scopes(sheets, config, network)
        found += [f"results/cohort/cells/{network}_{scope}.safetensors" for scope in own]
        found.append(f"results/cohort/cells/{network}_map.svg")
        found.append(f"results/cohort/cells/{network}_networks.tsv")
    return found


def search_parts(config: dict[str, Any]) -> list[str]:
    """Tables of an architecture search, one a job."""
    search = config["search"]
    jobs = -(-search["nets"] // search["nets_a_job"])
    return [f"results/search/nets_{job:04d}.parquet" for job in range(jobs)]


def search_files(config: dict[str, Any]) -> list[str]:
    """What an architecture search makes, where the configuration asks for one."""
    return ["results/search/nets.tsv"] if config["search"]["nets"] else []
