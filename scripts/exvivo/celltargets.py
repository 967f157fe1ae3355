"""From the sheets to the files of single cells: channels, markers, models, readouts. As `exvivo.targets`: no image library.

Networks are named by their readout: `morphology_fraction` is the mCNN's, `morphology_fraction_resnet` the ResNet's.
"""

from __future__ import annotations

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


def search_parts(config: dict[str, Any]) -> list[str]:
    """Tables of an architecture search, one a job."""
    search = config["search"]
    jobs = -(-search["nets"] // search["nets_a_job"])
    return [f"results/search/nets_{job:04d}.parquet" for job in range(jobs)]


def search_files(config: dict[str, Any]) -> list[str]:
    """What an architecture search makes, where the configuration asks for one."""
    return ["results/search/nets.tsv"] if config["search"]["nets"] else []
