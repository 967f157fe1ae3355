"""From the sheets to files: which plates, models, readouts and reports belong to which screen.

The rules bind these functions to their inputs and parameters. No image library, no pandas at import: every
job of a cluster imports this module before its own work.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from exvivo.rawplates import RawPath, recorded_path
from exvivo.sheets import Plate, Sheets, contrast_of
from exvivo.sheets.decisions import decided_contrasts
from exvivo.sheets.names import CELL_READOUTS
from exvivo.signed import first_model, trainable

READER = "reader"
ANY_ID = "[A-Za-z0-9._-]+"  # what the schemas of the sheets let an id be made of
VIABILITY = {f"viability_phase{phase}": phase for phase in (1, 2, 3)}
_TRAINING_READOUT = "viability_phase1"
EXPORTS = {"itrex": "itrex.zip", "breeze": "breeze.zip", "profiles": "profiles.parquet"}


def alternatives(names: Iterable[str]) -> str:
    """Regular expression that matches exactly `names`; one that matches nothing if there are none."""
    return "|".join(re.escape(name) for name in names) or "(?!)"


def imaged_pattern(sheets: Sheets) -> str:
    """Regular expression of the imaged plates' ids.

    Every id where no plate reader is around: an alternation of a thousand names is tried for each file that
    Snakemake looks for, and doubles the time it plans.
    """
    return alternatives(imaged_ids(sheets)) if reader_ids(sheets) else ANY_ID


def networks(sheets: Sheets) -> list[str]:
    """Names of the networks that the screens use."""
    return sorted({screen.network for screen in sheets.screens.values() if screen.network})


def _plates(sheets: Sheets, screen: str | None, reader: bool) -> list[Plate]:
    plates = sheets.plates.values() if screen is None else sheets.plates_of(screen)
    return [plate for plate in plates if (plate.instrument == READER) == reader]


def imaged_ids(sheets: Sheets, screen: str | None = None) -> list[str]:
    """Ids of the plates with images, of one screen or of all."""
    return [plate.plate for plate in _plates(sheets, screen, reader=False)]


def open_imaged_ids(sheets: Sheets) -> list[str]:
    """Ids of the plates with images whose screens are not released."""
    return [
        p for p in imaged_ids(sheets) if sheets.screens[sheets.plates[p].screen].status == "open"
    ]


def reader_ids(sheets: Sheets, screen: str | None = None) -> list[str]:
    """Ids of the plates that a plate reader measured, of one screen or of all."""
    return [plate.plate for plate in _plates(sheets, screen, reader=True)]


def plate_ids(sheets: Sheets, screen: str) -> list[str]:
    """Ids of all plates of a screen: imaged ones first."""
    return imaged_ids(sheets, screen) + reader_ids(sheets, screen)


def reader_readouts(sheets: Sheets) -> list[str]:
    """Names of the readouts that come from plate-reader files."""
    return sorted({plate.readout for plate in _plates(sheets, None, reader=True)})


def reports(sheets: Sheets) -> list[str]:
    """Reports of all drug screens that are open; a released screen is frozen and never made again."""
    return [
        f"results/screens/{screen.screen}/report.html"
        for screen in sheets.screens.values()
        if screen.kind == "drug" and screen.status == "open"
    ]


def screen_file(sheets: Sheets, screen: str, name: str) -> str:
    """A result of a screen: of a released one the signed copy, which no rule can make again."""
    return f"{sheets.frozen.get(screen, f'results/screens/{screen}')}/{name}"


def export_files(sheets: Sheets, config: dict[str, Any]) -> list[str]:
    """The exports that the configuration asks for, of all open drug screens."""
    return [
        f"results/screens/{screen}/exports/{EXPORTS[name]}"
        for screen in open_screens(sheets)
        for name in config["exports"]
    ]


def feature_files(sheets: Sheets, screen: str) -> list[str]:
    """Features of every well by the networks of a screen, one table per phase."""
    return [
        f"results/screens/{screen}/features_phase{phase}.parquet"
        for phase in viability_phases(sheets, screen)
    ]


def open_screens(sheets: Sheets) -> list[str]:
    """Ids of the drug screens that have a report to make."""
    return [Path(report).parent.name for report in reports(sheets)]


def raw_path(config: dict[str, Any], plate: Plate) -> Path:
    """Folder (or plate-reader file) of a plate."""
    return Path(config["data_root"]) / plate.path


def plate_setting(sheets: Sheets, config: dict[str, Any], plate: str, attribute: str) -> str:
    """What plates.tsv says of a plate; `folder` is its raw path below the data root."""
    entry = sheets.plates[plate]
    if attribute != "folder":
        return getattr(entry, attribute)
    return RawPath(raw_path(config, entry), recorded_path(entry))


def screen_setting(sheets: Sheets, screen: str, attribute: str) -> Any:
    """What screens.tsv says of a screen."""
    value = getattr(sheets.screens[screen], attribute)
    return list(value) if isinstance(value, tuple) else value


def screen_row(sheets: Sheets, screen: str) -> dict[str, Any]:
    """A screen's row of screens.tsv as plain values, without its status, which changes at its release."""
    row = {name: screen_setting(sheets, screen, name) for name in vars(sheets.screens[screen])}
    return {name: value for name, value in row.items() if name != "status"}


def layout_files(sheets: Sheets, screen: str) -> list[str]:
    """Layout files of a screen's plates, each once, in order; those that exist.

    A missing one is left out so that it holds its own screen (check_screen reports it) and no other.
    """
    files = dict.fromkeys(plate.layout for plate in sheets.plates_of(screen))
    return [file for file in files if Path(file).is_file()]


def plates_for_layout(sheets: Sheets, screen: str) -> list[dict[str, str]]:
    """Rows of plates.tsv that `exvivo.sheets.layouts.screen_layout` needs, as plain values."""
    names = ("plate", "screen", "path", "instrument", "layout", "layout_plate", "readout")
    return [
        {name: getattr(sheets.plates[plate], name) for name in names}
        | {"path": recorded_path(sheets.plates[plate])}
        for plate in plate_ids(sheets, screen)
    ]


def start_model(sheets: Sheets, screen: str, network: str, phase: int) -> str:
    """The model a phase starts from: ImageNet, then phase I of the cell line, then the screen's phase II.

    Without a training screen phase II starts from ImageNet itself.
    """
    if phase == 1 or (phase == 2 and not sheets.screens[screen].training_screen):
        return f"results/models/{network}/imagenet.safetensors"
    return trained_model(sheets, screen, network, phase - 1)


def trained_model(sheets: Sheets, screen: str, network: str, phase: int) -> str:
    """The model a phase ends with; phase I belongs to the training screen, not to the screen itself."""
    if phase == 1:
        return first_model(sheets, sheets.screens[screen].training_screen, network)
    return f"results/screens/{screen}/{network}/phase{phase}.safetensors"


def first_phase_pattern(sheets: Sheets) -> str:
    """Regular expression of the screens that phase I may be trained on: every id where nothing is released."""
    released = any(s.status == "released" for s in sheets.screens.values() if s.kind == "training")
    return alternatives(trainable(sheets)) if released else ANY_ID


def viability_phases(sheets: Sheets, screen: str) -> list[int]:
    """Phases whose viability the screen asks for."""
    return [VIABILITY[name] for name in sheets.screens[screen].readouts if name in VIABILITY]


def readout_files(sheets: Sheets, screen: str) -> list[str]:
    """Tables of all readouts of a screen, in the order of screens.tsv."""
    files: list[str] = []
    for name in sheets.screens[screen].readouts:
        if name in VIABILITY or name in CELL_READOUTS:
            files.append(f"results/screens/{screen}/readouts/{name}.parquet")
        elif name == "mean_of_stack":
            files += [
                f"results/plates/{p}/readouts/{name}.parquet" for p in imaged_ids(sheets, screen)
            ]
        else:
            files += [
                f"results/plates/{plate.plate}/readouts/{name}.parquet"
                for plate in _plates(sheets, screen, reader=True)
                if plate.readout == name
            ]
    return files


def model_files(sheets: Sheets, screen: str, suffix: str) -> list[str]:
    """Files beside the models of all phases the screen needs: `.json` records, `_history.tsv` tables."""
    network = sheets.screens[screen].network
    last = max(viability_phases(sheets, screen), default=0)
    first = 1 if sheets.screens[screen].training_screen else 2
    models = [trained_model(sheets, screen, network, phase) for phase in range(first, last + 1)]
    return [model.removesuffix(".safetensors") + suffix for model in models]


def measured_wells(sheets: Sheets, screen: str) -> list[str]:
    """For each plate of a screen the table that says which wells have an image or a value."""
    imaged = [
        f"results/plates/{p}/readouts/mean_of_stack.parquet" for p in imaged_ids(sheets, screen)
    ]
    return imaged + [
        f"results/plates/{plate.plate}/readouts/{plate.readout}.parquet"
        for plate in _plates(sheets, screen, reader=True)
    ]


def configured_contrasts(sheets: Sheets, config: dict[str, Any], screen: str) -> dict[str, Any]:
    """The contrast of each readout of a screen; a training screen has that of phase I."""
    names = sheets.screens[screen].readouts or (_TRAINING_READOUT,)
    return {name: contrast_of(config, name) for name in names}


def contrasts(sheets: Sheets, config: dict[str, Any], screen: str) -> dict[str, Any]:
    """The contrast of each readout of a screen, as configured and then as people decided."""
    configured = configured_contrasts(sheets, config, screen)
    return decided_contrasts(configured, sheets.decisions_of(screen))


def viability_contrast(
    sheets: Sheets, config: dict[str, Any], screen: str, phase: int
) -> dict[str, Any]:
    """The wells that are 0 % and 100 % for the viability readout of `phase`: what its model is trained on."""
    name = f"viability_phase{phase}"
    contrast = {name: contrast_of(config, name)}
    return decided_contrasts(contrast, sheets.decisions_of(screen))[name]


def decision_files(sheets: Sheets, screen: str, suffix: str) -> list[str]:
    """What the decisions about a screen change; nothing where nobody decided anything."""
    decided = bool(sheets.decisions_of(screen))
    return [f"results/screens/{screen}/decisions{suffix}"] if decided else []


def plates_of_readouts(sheets: Sheets, screen: str) -> dict[str, list[str]]:
    """The plates that each readout of a screen is measured on."""
    read: dict[str, list[str]] = {}
    for plate in _plates(sheets, screen, reader=True):
        read.setdefault(plate.readout, []).append(plate.plate)
    names = sheets.screens[screen].readouts or (_TRAINING_READOUT,)
    return {name: read.get(name) or imaged_ids(sheets, screen) for name in names}


def reference_file(sheets: Sheets, config: dict[str, Any], screen: str) -> list[str]:
    """Table of mean scores of healthy controls for the selective scores; the screen's own goes first."""
    reference = sheets.screens[screen].reference or config["scoring"]["reference"]
    return [reference] if reference else []


def training_settings(config: dict[str, Any], network: str, phase: int) -> dict[str, Any]:
    """What of the configuration changes the model of a phase: a change here trains it again."""
    training = config["training"]
    settings = {name: training[name] for name in ("augmentation", "precision", "seed", "epoch")}
    recipe = training["recipes"].get(network) or {}
    own = {name: recipe[name] for name in ("input_size", f"phase{phase}") if name in recipe}
    return settings | {"overrides": own}


def crossfit_files(sheets: Sheets, screen: str, name: str = "crossfit.parquet") -> list[str]:
    """Held-out predictions of the controls, if the screen has a network fine-tuned on its own controls.

    `folds.parquet` is what the same models say of all its wells.
    """
    tuned = max(viability_phases(sheets, screen), default=0) >= 2
    network = sheets.screens[screen].network
    return [f"results/screens/{screen}/{network}/{name}"] if tuned else []


def tuned_features(sheets: Sheets, screen: str) -> list[str]:
    """Features of all wells by phase II, if the screen has a network fine-tuned on its own controls."""
    tuned = max(viability_phases(sheets, screen), default=0) >= 2
    return [f"results/screens/{screen}/features_phase2.parquet"] if tuned else []
