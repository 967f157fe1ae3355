"""Twelve small plates of four screens, eleven of them yet unknown to the sheets, and nights that find them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tiny_screen import Well, controls, layout, write, write_plate

from runs import Workflow

FIRST = "N01"
SCREENS = {
    screen: tuple(f"P{number}" for number in range(1, plates + 1))
    for screen, plates in (("N01", 4), ("N02", 4), ("N03", 3), ("N04", 1))
}
PLATES = [f"{screen}_{number}" for screen, numbers in SCREENS.items() for number in numbers]
CONFIG = """\
data_root: raw
imaging: {input_size: 64}
admission: {settle_minutes: 0}
training: {allow_cpu: true}
night:
  root: incoming
  folder: "[0-9-]+/(?P<screen>N[0-9]{2})_(?P<number>P[0-9])"
  plate: "{screen}_{number}"
  layout: "layouts/{screen}.tsv"
  layout_plate: "{number}"
  new_screen: {sample: "PT-{screen}", readouts: mean_of_stack}
  mail_command: [tee, mail.txt]
"""
DOSES = (1, 10, 100, 1000, 10000)
# The scripts of the copy fail for the screens named in this file of the working directory.
BREAK = """
from pathlib import Path

if __name__ == "__main__" and snakemake.params.screen in Path("broken").read_text().split():
    from exvivo.errors import ScoringError

    start_script(__file__, snakemake.log[0])
    raise ScoringError("the test breaks this screen", found="a test", hint="mend the screen")

"""


def wells() -> list[Well]:
    """Controls, and one drug at five doses."""
    doses = zip(DOSES, (1.0, 1.0, 0.8, 0.3, 0.0), strict=True)
    drug = [
        (f"C{column:02d}", "treatment", "Drug-A", dose, viability)
        for column, (dose, viability) in enumerate(doses, start=2)
    ]
    return controls("B", 4) + drug


def make_facility(run: Workflow) -> None:
    """Write raw plates, layouts, a configuration, and sheets that know the first screen's first plate only."""
    folder = run.work
    for screen, numbers in SCREENS.items():
        lines = [line for line in layout(wells()).splitlines() if line]
        rows = [f"{n}\t{line}" for n in numbers for line in lines[1:]]
        write(folder / f"config/layouts/{screen}.tsv", "plate\t" + lines[0], *rows)
        for number in numbers:
            write_plate(folder / raw(f"{screen}_{number}"), f"{screen}_{number}", wells())
    plate = f"{FIRST}_P1"
    write(
        folder / "config/plates.tsv",
        "# plates of this facility",
        "plate\tscreen\tpath\tinstrument\tlayout\tlayout_plate",
        f"{plate}\t{FIRST}\tincoming/2026-11-24/{plate}\timagexpress\tlayouts/{FIRST}.tsv\tP1",
    )
    sheet = "screen\tkind\tsample\tnetwork\treadouts\ttraining_screen\n"
    # Without a line end at the end, as editors leave it.
    run.write("config/screens.tsv", f"{sheet}{FIRST}\tdrug\tPT-0001\t\tmean_of_stack\t")
    write(folder / "config/config.yaml", CONFIG)
    run.write("broken", "")
    script = run.code / "scripts/score_screen.py"
    text = script.read_text()
    script.write_text(
        text.replace('\nif __name__ == "__main__":', f'\n{BREAK}if __name__ == "__main__":')
    )


def raw(plate: str) -> Path:
    """Folder of a raw plate below the working directory."""
    return Path("raw/incoming/2026-11-24") / plate


def nights(run: Workflow) -> list[dict[str, Any]]:
    """The summaries so far, oldest first."""
    files = sorted(run.result("nights").glob("2*.json"))
    return [json.loads(path.read_text()) for path in files]


def rules_of(run: Workflow, summary: dict[str, Any]) -> dict[str, int]:
    """Rules that a night ran and how often, but for the target rule."""
    text = (run.work / summary["log"]).read_text()
    found: dict[str, int] = {}
    for rule in re.findall(r"^ *(?:local)?rule (\w+):$", text, re.MULTILINE):
        found[rule] = found.get(rule, 0) + (rule != "all")
    return {rule: count for rule, count in found.items() if count}


def names(summary: dict[str, Any], state: str) -> list[str]:
    """Ids of the screens in a state."""
    return [screen["screen"] for screen in summary["screens"][state]]
