"""What a network gets wrong about drugs on simulated screens, and how many intervals hold the truth. Writes network_error.tsv.

    python benchmarks/network_error.py --work DIR [--seeds 201 202 203 204 205 206] [--check 1 2 3] [--cores 2]

Simulates the demo of each seed in DIR and trains it up to phase II, unless that is done (about five minutes each on two cores).
`error`: of the mean of a drug and dose against the true inhibition, root of the mean square over the drugs of `--seeds`, smoothed over
the level of the fitted curve as the scatter of wells is (`exvivo.responses.noise`); `scatter`: what of it the replicates explain; `sd`: the
rest, which `exvivo.responses.network` holds. The screens of `--check`, from which no number was taken, say how many intervals
of DSS_asym hold the true score, how wide they are, and which hits are left if the interval judges them, with that part of it and without.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "scripts")]

from exvivo.files import replacing  # noqa: E402
from exvivo.responses import Settings, build_responses, fit_curves, score, uncertainty  # noqa: E402
from exvivo.responses.curve import PARAMETERS, evaluate  # noqa: E402
from exvivo.responses.network import LEVELS  # noqa: E402
from exvivo.responses.noise import LEVELS as FINE  # noqa: E402
from exvivo.responses.noise import smooth  # noqa: E402
from exvivo.tables import LAYOUT, READOUT, read_table  # noqa: E402

SCREEN, READOUT_NAME, HIT = "DEMO01", "viability_phase2", 10.0
FILES = [f"readouts/{READOUT_NAME}.parquet", "layout.parquet"]


def made(work: Path, seed: int, cores: int) -> Path:
    """The folder of a simulated screen with its readout of phase II."""
    folder = work / f"d{seed}"
    if not (folder / "truth" / "drugs.tsv").is_file():
        run("exvivo.cli", "simulate", "demo", "--out", folder, "--seed", seed, "--workers", cores)
    wanted = [f"results/screens/{SCREEN}/{name}" for name in FILES]
    if not all((folder / name).is_file() for name in wanted):
        where = ("--snakefile", REPOSITORY / "Snakefile", "--directory", folder)
        run("snakemake", *where, "--cores", cores, "--", *wanted)
    return folder


def run(*command: object) -> None:
    """A Python module of this repository, as a program."""
    env = os.environ | {"PYTHONPATH": str(REPOSITORY / "scripts")}
    done = [sys.executable, "-m", *map(str, command)]
    subprocess.run(done, cwd=REPOSITORY, env=env, check=True)


def responses_of(folder: Path) -> pd.DataFrame:
    """Responses of the screen's phase II."""
    own = folder / "results" / "screens" / SCREEN
    layout, readout = read_table(own / FILES[1], LAYOUT), read_table(own / FILES[0], READOUT)
    return build_responses(layout, readout, screen=SCREEN, readout_name=READOUT_NAME)


def errors(folder: Path) -> pd.DataFrame:
    """Of each drug and dose: level of the curve, squared error, and what the replicates explain of it."""
    responses = responses_of(folder)
    truth = pd.read_csv(folder / "truth" / "wells.tsv", sep="\t")
    truth = truth[["plate", "well", "viability"]].rename(columns={"viability": "true"})
    wells = responses[(responses["role"] == "treatment") & responses["used"].astype(bool)]
    groups = wells.merge(truth, on=["plate", "well"]).groupby(["treatment", "concentration"])
    found = groups.agg(
        seen=("viability", "mean"),
        true=("true", "mean"),
        variance=("viability", "var"),
        count=("viability", "size"),
    ).dropna()
    curves = fit_curves(responses, "robust", single=False)
    curves = curves.loc[curves["role"] == "treatment", ["treatment", *PARAMETERS]]
    found = found.reset_index().merge(curves, on="treatment")
    dose = np.log10(found["concentration"].to_numpy())[:, None]
    level = evaluate(found[list(PARAMETERS)].to_numpy(dtype=float), dose)[:, 0]
    square = (found["seen"] - found["true"]).to_numpy() ** 2
    return pd.DataFrame(
        {"level": level, "error": square, "scatter": found["variance"] / found["count"]}
    )


def levels(folders: Sequence[Path]) -> Iterator[dict]:
    """Rows of the error by level."""
    all_of = pd.concat([errors(folder) for folder in folders])
    one = np.ones(len(all_of))
    at = all_of["level"].to_numpy()
    error, degrees = smooth(at, all_of["error"].to_numpy(), one)
    scatter, _ = smooth(at, all_of["scatter"].to_numpy(), one)
    for level in LEVELS:
        here = [float(np.interp(level, FINE, what)) for what in (error, scatter, degrees)]
        own = dict(zip(("error", "scatter", "degrees"), here, strict=True))
        rest = max(here[0] ** 2 - here[1] ** 2, 0.0) ** 0.5
        yield {"what": "error by level", "level": level, **own, "sd": rest}


def checks(seed: int, folder: Path) -> Iterator[dict]:
    """Rows of coverage of one screen."""
    responses = responses_of(folder)
    truth = pd.read_csv(folder / "truth" / "drugs.tsv", sep="\t")
    true, hit = truth["dss_asym"].to_numpy(), truth["hit"].to_numpy(dtype=bool)
    for told, network in (("without", False), ("with", True)):
        intervals, _ = uncertainty(responses, settings=Settings(samples=500), network=network)
        found = score(fit_curves(responses), responses, intervals=intervals)
        found = found.set_index("treatment").loc[truth["drug"]]
        low, high = found["dss_asym_low"].to_numpy(), found["dss_asym_high"].to_numpy()
        own = (found["hit_published"] & (found["status"] == "ok")).to_numpy() & (low > HIT)
        yield {
            "what": f"seed {seed}, {told} the network's error",
            "drugs": len(truth),
            "covered": int(((low <= true + 1e-9) & (high >= true - 1e-9)).sum()),
            "width": float((high - low)[true > 0].mean()),
            "hits": int(hit.sum()),
            "found": int((own & hit).sum()),
            "wrong": int((own & ~hit).sum()),
        }


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(201, 207)))
    parser.add_argument("--check", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".tsv"))
    options = parser.parse_args()
    work = options.work.resolve()
    rows = list(levels([made(work, seed, options.cores) for seed in options.seeds]))
    for seed in options.check:
        rows += checks(seed, made(work, seed, options.cores))
    table = pd.DataFrame(rows)
    print(table.round(3).to_string())
    with replacing(options.out) as partial:
        table.astype({n: "Int64" for n in ("drugs", "covered", "hits", "found", "wrong")}).to_csv(
            partial, sep="\t", index=False, float_format="%.3f", lineterminator="\n"
        )


if __name__ == "__main__":
    main()
