"""From the sheets to what a screen is compared with: references, repeats of its sample, the cohort.

Beside `exvivo.targets`, and as light: every job of a cluster imports it.
"""

from __future__ import annotations

from typing import Any

from exvivo.sheets import Sheets
from exvivo.sheets.names import IMAGE_READOUTS
from exvivo.signed import cohort_screens
from exvivo.targets import open_screens, screen_file


def repeats_of(sheets: Sheets, screen: str) -> list[str]:
    """Other screens of the cohort that are of the same sample, in the order of screens.tsv."""
    sample = sheets.screens[screen].sample
    return [name for name in sheets.by_sample.get(sample, []) if name != screen and sample]


def same_sample(sheets: Sheets, screen: str) -> list[str]:
    """The screen itself, then its repeats."""
    return [screen, *repeats_of(sheets, screen)]


def is_compared(sheets: Sheets, screen: str) -> bool:
    """Whether there is anything to compare a screen with: a repeat, or another modality of its own."""
    own = sheets.screens[screen].readouts
    # As exvivo.readouts.kinds, which would import pandas: what is not from images is a modality of its own.
    modalities = {"imaging" if name in IMAGE_READOUTS else name for name in own}
    return len(modalities) > 1 or bool(repeats_of(sheets, screen))


def compared_files(sheets: Sheets, screen: str, name: str) -> list[str]:
    """That result of the screen itself and of its repeats; nothing where there is nothing to compare."""
    if not is_compared(sheets, screen):
        return []
    return [screen_file(sheets, other, name) for other in same_sample(sheets, screen)]


def comparison_files(sheets: Sheets, screen: str, name: str) -> list[str]:
    """A screen's own table of comparisons, `repeats.tsv` or `mismatches.tsv`, if it is compared at all."""
    return [f"results/screens/{screen}/{name}"] if is_compared(sheets, screen) else []


def all_comparisons(sheets: Sheets, name: str) -> list[str]:
    """That table of comparisons of every open screen; each pair of open screens stands in two of them."""
    return [
        file for screen in open_screens(sheets) for file in comparison_files(sheets, screen, name)
    ]


def cohort_file(sheets: Sheets, config: dict[str, Any], screen: str) -> list[str]:
    """Versioned table of the facility's own scores; the screen's own goes first."""
    named = sheets.screens[screen].cohort or config["context"]["cohort"]
    return [named] if named else []


def named(rows: dict[str, dict[str, str]], column: str) -> dict[str, str]:
    """A column of samples.tsv or drugs.tsv by name, where it is filled in."""
    return {name: row[column] for name, row in rows.items() if row.get(column)}


def drugs_file(config: dict[str, Any]) -> list[str]:
    """The sheet of drugs, if there is one."""
    return [config["drugs"]] if config["drugs"] else []


def sample_facts(sheets: Sheets, screen: str) -> dict[str, str]:
    """What samples.tsv says of the screen's sample, without what it leaves empty; never the patient."""
    row = sheets.samples.get(sheets.screens[screen].sample, {})
    return {
        name: value for name, value in row.items() if value and name not in ("sample", "patient")
    }


def samples(sheets: Sheets) -> dict[str, str]:
    """The sample of each screen of the cohort."""
    return {name: sheets.screens[name].sample for name in cohort_screens(sheets)}
