"""`exvivo simulate`: make screens with a known answer."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from exvivo.commands.common import Run

_PLATE = (
    ("format", 384, "wells of the plate format"),
    ("wells", 308, "wells imaged"),
    ("image-size", 2048, "pixels along each side"),
    ("planes", 30, "planes of each stack"),
    ("workers", os.cpu_count(), "processes"),
)


def add(commands: Any) -> None:
    """Add `simulate demo`, `simulate plate` and `simulate cells` to the parser."""
    simulate = commands.add_parser("simulate", help="make screens with a known answer")
    kinds = simulate.add_subparsers(dest="kind", required=True, metavar="KIND")
    demo = _output(kinds, "demo", _demo, "a training plate and a screen, ready to run")
    demo.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    cells = _output(kinds, "cells", _cells, "a cohort of single-cell screens")
    cells.add_argument("--samples", type=int, default=6, help="samples, a screen each (default 6)")
    cells.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    plate = _output(kinds, "plate", _plate, "one plate of any format, image size and depth")
    for name, default, text in _PLATE:
        plate.add_argument(
            f"--{name}", type=int, default=default, help=f"{text} (default {default})"
        )


def _output(kinds: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=text, description=text)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--seed", type=int, default=1, help="equal seeds make equal files (default 1)"
    )
    parser.set_defaults(run=run)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from exvivo.simulate import simulate_demo

    simulate_demo(options.out, options.seed, workers=options.workers)
    print(f"a screen with a known answer is in {options.out}")


def _cells(options: argparse.Namespace) -> None:
    from exvivo.simulate.cells import CellDesign, simulate_cells

    design = CellDesign(samples=options.samples)
    simulate_cells(options.out, design, options.seed, workers=options.workers)
    print(f"single-cell screens with a known answer are in {options.out}")


def _plate(options: argparse.Namespace) -> None:
    from exvivo.simulate import simulate_plate

    simulate_plate(
        options.out,
        plate_format=options.format,
        wells=options.wells,
        image_size=options.image_size,
        planes=options.planes,
        seed=options.seed,
        workers=options.workers,
    )
    print(f"a plate is in {options.out}")
