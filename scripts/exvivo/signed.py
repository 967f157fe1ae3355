"""What released screens give to open ones: their rows in the cohort, and the models that were trained on them.

Standard library only: used at DAG time.
"""

from __future__ import annotations

from pathlib import Path

from exvivo.sheets import Sheets


def cohort_screens(sheets: Sheets) -> list[str]:
    """Ids of the drug screens that the cohort's tables hold: open ones, and released ones with their release."""
    return [
        screen.screen
        for screen in sheets.screens.values()
        if screen.kind == "drug" and (screen.status == "open" or screen.screen in sheets.frozen)
    ]


def first_model(sheets: Sheets, training_screen: str, network: str) -> str:
    """The phase-I model of a training screen; the signed copy where the working one is gone."""
    place = f"models/{network}/{training_screen}/phase1.safetensors"
    signed = f"{sheets.frozen.get(training_screen, '')}/{place}"
    lost = not Path("results", place).is_file() and Path(signed).is_file()
    return signed if lost else f"results/{place}"


def trainable(sheets: Sheets) -> list[str]:
    """Training screens whose phase I may be trained: all but released ones with the models that others need.

    Those keep their models whatever becomes of their raw data, their layout and the code.
    """
    needed: dict[str, set[str]] = {}
    for screen in sheets.screens.values():
        if screen.status == "open" and screen.training_screen and screen.network:
            needed.setdefault(screen.training_screen, set()).add(screen.network)
    return [
        screen.screen
        for screen in sheets.screens.values()
        if screen.status == "open"
        or not all(
            Path(first_model(sheets, screen.screen, network)).is_file()
            for network in needed.get(screen.screen, ())
        )
    ]
