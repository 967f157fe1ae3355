"""What jobs need, fitted from the benchmark files of runs of several sizes.

    python benchmarks/resources.py run FOLDER     # simulates facilities of several sizes, runs each (an hour)
    python benchmarks/resources.py fit FOLDER…    # reads FOLDER/*/results/benchmarks/**.tsv, writes resources.tsv

Each row of resources.tsv is one rule and one measure: `need = base + per_unit * size`, by least squares with
both coefficients at least 0, raised until no measured job lies above the line. Memory is that of the script
alone (`max_rss`); the rules add what Snakemake takes in a Slurm job. Seconds depend on the machine and what
else it does; memory does not. The table in git was fitted on a machine under load, on the CPU, with training of one
epoch (its seconds say nothing about a whole training), up to plates of 1 GB; `train_phase1` holds vgg19. A facility's own `results/` can be given to `fit` as well.
"""

from __future__ import annotations

import argparse
import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from exvivo.jobsize import raw_size, wells

REPOSITORY = Path(__file__).resolve().parents[1]
PLATES = {  # name: wells, side of an image in pixels, planes
    "a": (24, 512, 3),
    "b": (96, 512, 3),
    "c": (24, 1024, 5),
    "d": (96, 1024, 5),
    "e": (24, 2048, 5),
    "f": (60, 2048, 10),
    "g": (8, 4320, 5),
}
SCREENS = {  # name: network, drugs, plates of the screen, controls of each kind on the training plate
    "lite_small": ("efficientnet_lite0", 6, 1, 12),
    "lite_large": ("efficientnet_lite0", 24, 3, 60),
    "vgg19_small": ("vgg19", 4, 1, 6),
    "vgg19_large": ("vgg19", 12, 1, 24),
}
# rule: what its size is measured in
UNITS = {"admit_plate": "files_1000", "project_plate": "raw_gb"}
MEMORY_UNITS = {"admit_plate": "files_1000", "project_plate": "file_mb"}


def main() -> None:
    """`run` or `fit`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("run", "fit"))
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--only", nargs="*", help="names of the sizes to run")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "resources.tsv")
    options = parser.parse_args()
    if options.what == "run":
        for name in options.only or [*PLATES, *SCREENS]:
            run(options.folders[0] / name, name)
    else:
        lines = fit([work for folder in options.folders for work in facilities(folder)])
        options.out.write_text("\n".join(lines) + "\n")
        print("\n".join(lines))


def run(work: Path, name: str) -> None:
    """Simulate the facility of that name and run it, as far as its sizes matter."""
    targets = make_plate(work, *PLATES[name]) if name in PLATES else make_screen(work, name)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--directory", str(work)]
    subprocess.run([*command, *targets], cwd=REPOSITORY, check=True)
    if name in PLATES:  # its raw images are not needed any more
        shutil.rmtree(work / "raw")


def make_plate(work: Path, count: int, side: int, planes: int) -> list[str]:
    """One raw plate; its wells are the target."""
    from exvivo.simulate import simulate_plate

    simulate_plate(work / "raw" / "P1", wells=count, image_size=side, planes=planes)
    write(work / "config/config.yaml", "data_root: raw\nadmission: {settle_minutes: 0}\n")
    write(work / "config/layout.tsv", "row\tcolumn\trole\ttreatment\nB\t2\tempty\t\n")
    columns = "plate\tscreen\tpath\tinstrument\tlayout\n"
    write(work / "config/plates.tsv", f"{columns}P1\tT1\tP1\timagexpress\tconfig/layout.tsv\n")
    write(work / "config/screens.tsv", "screen\tkind\tsample\nT1\ttraining\tLINE-01\n")
    return ["results/plates/P1/wells.done.json"]


def make_screen(work: Path, name: str) -> list[str]:
    """A training plate and a screen, trained for one epoch in each phase: memory does not grow with epochs."""
    from exvivo.networks.weights import write_imagenet
    from exvivo.simulate.design import ScreenDesign
    from exvivo.simulate.screens import ScreenPlan, simulate_screen

    network, drugs, plates, controls = SCREENS[name]
    one = {f"phase{phase}": {"epochs": 1} for phase in (1, 2, 3)}
    training = {"allow_cpu": True, "recipes": {network: one}}
    plan = ScreenPlan(
        network=network,
        design=ScreenDesign(plates=plates, drugs=drugs),
        controls=controls,
        config={"training": training, "admission": {"settle_minutes": 0}},
    )
    simulate_screen(work, 1, plan)
    if network == "vgg19":  # phase I alone, from random weights: as large as the real ones
        write_imagenet("vgg19", work / "results/models/vgg19/imagenet.safetensors", entries={})
        return ["results/models/vgg19/LINE01/phase1.safetensors"]
    return ["results/screens/DEMO01/report.html"]


def write(path: Path, text: str) -> None:
    """Write a small file of a facility."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def facilities(folder: Path) -> list[Path]:
    """Working directories below (or at) `folder`."""
    found = [path.parents[1] for path in folder.glob("*/results/benchmarks")]
    return found or [folder]


def jobs(work: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """Rule and measures of each job that ran in `work`: what it took, and its sizes."""
    for path in sorted((work / "results/benchmarks").rglob("*.tsv")):
        with path.open() as handle:
            row = list(csv.DictReader(handle, delimiter="\t"))[-1]
        if row["max_rss"] in ("NA", "-"):
            continue
        parts = path.relative_to(work / "results/benchmarks").parts
        yield (
            path.stem,
            sizes(work, parts)
            | {
                "mem_mb": float(row["max_rss"]),
                "seconds": float(row["s"]),
            },
        )


def sizes(work: Path, parts: tuple[str, ...]) -> dict[str, float]:
    """Sizes of what the job with this benchmark file read."""
    plates = [parts[1]] if parts[0] == "plates" else plates_of(work, parts)
    raw = [raw_size(work / f"results/plates/{plate}/fingerprint.tsv") for plate in plates]
    done = [work / f"results/plates/{plate}/wells.done.json" for plate in plates]
    return {
        "files_1000": sum(size.files for size in raw) / 1000,
        "raw_gb": sum(size.gigabytes for size in raw),
        "file_mb": max((size.file_mb for size in raw), default=0),
        "wells_1000": wells(path for path in done if path.is_file()) / 1000,
    }


def plates_of(work: Path, parts: tuple[str, ...]) -> list[str]:
    """Plates of the screen in a path of models/{network}/{screen} or screens/{screen}."""
    screen = parts[2] if parts[0] == "models" and len(parts) > 3 else parts[1]
    with (work / "config/plates.tsv").open() as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    return [row["plate"] for row in rows if row["screen"] == screen]


def fit(works: list[Path]) -> list[str]:
    """Lines of resources.tsv."""
    found: dict[str, list[dict[str, float]]] = {}
    for work in works:
        for rule, job in jobs(work):
            found.setdefault(rule, []).append(job)
    lines = ["rule\tmeasure\tunit\tjobs\tbase\tper_unit\tlargest_size\tlargest_need"]
    for rule, measured in sorted(found.items()):
        for measure in ("mem_mb", "seconds"):
            units = MEMORY_UNITS if measure == "mem_mb" else UNITS
            unit = units.get(rule, "wells_1000")
            size = np.array([job[unit] for job in measured])
            need = np.array([job[measure] for job in measured])
            base, slope = line_above(size, need)
            figures = (base, slope, size.max(), need.max())
            row = [rule, measure, unit, str(len(need)), *(f"{x:.4g}" for x in figures)]
            lines.append("\t".join(row))
    return lines


def line_above(size: np.ndarray, need: np.ndarray) -> tuple[float, float]:
    """Base and slope, both at least 0, of the least-squares line, lifted above all points."""
    design = np.column_stack([np.ones_like(size), size])
    (base, slope), _ = nnls(design, need)
    return base + max(0.0, float((need - base - slope * size).max())), slope


if __name__ == "__main__":
    main()
