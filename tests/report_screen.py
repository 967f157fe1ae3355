"""A made-up screen as files, for the tests of figures and report: every number is known."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from exvivo import tables
from exvivo.files import write_json
from exvivo.responses.curve import evaluate
from exvivo.sheets.names import well_name
from exvivo.wells import WellImages, write_wells

HOSTILE = (
    "<script>alert('x')</script>",
    "</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(2)>',
    "Ünïcödé 💊🧬 & Söhne",
    "L" * 500,
    "=cmd|' /C calc'!A0",
    "A\u202eGPJ.exe",
    "tab\there\x07 bell",
    "{{ 7 * 7 }} {% raw %}",
    "javascript:alert(3)",
    '=HYPERLINK("http://example.org","click")',
    "+1 mg",
    "@SUM(A1:A9)",
    "../../etc/passwd",
    "CON",
)
USUAL = [
    "Trametinib",
    "Vemurafenib",
    "Dabrafenib",
    "Cobimetinib",
    "Selumetinib",
    "Panobinostat",
    "Vorinostat",
    "Entinostat",
    "Larotrectinib",
    "Entrectinib",
    "Lorlatinib",
    "Crizotinib",
    "Venetoclax",
    "Navitoclax",
    "Vinorelbine",
    "Vincristine",
    "Doxorubicin",
    "Etoposide",
    "Cisplatin",
    "Temozolomide",
    "Olaparib",
    "Talazoparib",
    "Everolimus",
    "Temsirolimus",
    "Dasatinib",
    "Foretinib",
    "Cabozantinib",
    "Pazopanib",
    "Sunitinib",
    "Sorafenib",
    "Ponatinib",
    "Ruxolitinib",
    "Bortezomib",
    "Carfilzomib",
    "Methotrexate",
    "Cytarabine",
    "Gemcitabine",
    "Topotecan",
    "Irinotecan",
    "Mitoxantrone",
    "Idasanutlin",
    "Palbociclib",
    "Ribociclib",
    "Abemaciclib",
    "Copanlisib",
]
READOUTS = ("viability_phase3", "viability_phase2", "mean_of_stack", "metabolic")
HIT = 10.0


@dataclass
class Screen:
    """Where a made-up screen lies, and what is in it."""

    root: Path
    name: str
    network: str
    drugs: list[str]
    plates: list[str]
    scores: pd.DataFrame = field(default_factory=pd.DataFrame)
    responses: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def folder(self) -> Path:
        return self.root / "results" / "screens" / self.name

    @property
    def plates_root(self) -> Path:
        return self.root / "results" / "plates"

    def arguments(self, **changes) -> dict:
        """Arguments of build_report."""
        usual = {
            "screen": self.name,
            "folder": self.folder,
            "plates_root": self.plates_root,
            "out": self.folder / "report.html",
            "headline": self.headline,
            "sample": "S-0042",
            "network": self.network,
            "scoring": {"method": "itrex", "threshold": "variable", "hit": HIT},
        }
        return usual | changes

    @property
    def headline(self) -> str:
        return str(self.responses["readout"].iloc[0]) if len(self.responses) else READOUTS[0]


def make_screen(
    root: Path,
    *,
    drugs: int = 12,
    doses: int = 5,
    replicates: int = 2,
    plates: int = 2,
    shape: tuple[int, int] = (8, 12),
    readouts: tuple[str, ...] = READOUTS[:3],
    hostile: bool = False,
    held: bool = False,
    image_side: int = 32,
    seed: int = 0,
) -> Screen:
    """Write a screen whose drugs are more effective the earlier they come; the last three have no curve,
    a failed and an inverted one."""
    rng = np.random.default_rng(seed)
    names = list(HOSTILE) if hostile else []
    names += [n if i < len(USUAL) else f"Compound-{i + 1}" for i, n in enumerate(_names(drugs))]
    names = names[:drugs]
    ids = [f"PL{i + 1}" for i in range(plates)]
    screen = Screen(root, "DEMO_V1_DS1", "efficientnet_lite0", names, ids)
    curves = _true_curves(names, rng)
    layout = _layout(ids, names, doses, replicates, shape)
    frames = [_responses(layout, curves, readout, rng) for readout in readouts]
    screen.responses = pd.concat(frames, ignore_index=True)
    screen.scores = pd.concat(
        [_scores(screen.responses, curves, r, doses, replicates, rng) for r in readouts],
        ignore_index=True,
    )
    _write(screen, layout, curves, readouts, held=held)
    if image_side:
        for plate in ids:
            _write_images(screen, plate, frames[0], image_side, rng)
    return screen


def _names(drugs: int) -> list[str]:
    return [*USUAL, *(f"Compound-{i + 1}" for i in range(len(USUAL), max(drugs, len(USUAL))))][
        :drugs
    ]


def _true_curves(names: list[str], rng: np.random.Generator) -> dict[str, tuple[float, ...]]:
    """(bottom, top, x_mid, slope, asymmetry) in inhibition over log10 nM."""
    found = {}
    for i, name in enumerate(names):
        strength = max(1.0 - 1.15 * i / max(len(names) - 3, 1), 0.02)
        top = min(0.15 + 1.0 * strength, 1.02)
        found[name] = (0.0, top, 0.6 + 3.6 * (1 - strength), float(rng.uniform(0.8, 1.8)), 1.0)
    if len(names) > 3:
        _, _, x_mid, slope, asymmetry = found[names[-1]]
        found[names[-1]] = (0.25, -0.15, x_mid, slope, asymmetry)
    return found


def _layout(
    plates: list[str], names: list[str], doses: int, replicates: int, shape: tuple[int, int]
) -> pd.DataFrame:
    """Controls spread over the plate, drugs in the wells between, an empty frame around."""
    rows, columns = shape
    rng = np.random.default_rng(7)
    inner = [(r, c) for r in range(1, rows - 1) for c in range(1, columns - 1)]
    records = []
    share = math.ceil(len(names) / len(plates))
    for p, plate in enumerate(plates):
        order = rng.permutation(len(inner))
        roles = [("negative_control", "DMSO", 0.0, 1)] * 8 + [
            ("positive_control", "Staurosporine", 250.0, 1)
        ] * 6
        roles += [("untreated", "", None, 1)] * 3 + [("excluded", "", None, 1)]
        roles += [("titration", "Staurosporine", 10.0**d, k) for d in range(-1, 4) for k in (1, 2)]
        for name in names[p * share : (p + 1) * share]:
            roles += [
                ("treatment", name, 10.0**d, k + 1) for d in range(doses) for k in range(replicates)
            ]
        assert len(roles) <= len(inner), "the made-up plate is too small for its drugs"
        filled = dict(zip([inner[i] for i in order], roles, strict=False))
        for r in range(rows):
            for c in range(columns):
                role, treatment, concentration, replicate = filled.get(
                    (r, c), ("empty", "", None, 1)
                )
                records.append(
                    (
                        plate,
                        f"{p + 1}",
                        well_name(r, c),
                        role,
                        role,
                        treatment,
                        concentration,
                        replicate,
                        "",
                        "S-0042",
                    )
                )
    layout = pd.DataFrame(records, columns=tables.LAYOUT.names)
    return layout.astype({"concentration": float})


def _responses(
    layout: pd.DataFrame, curves: dict, readout: str, rng: np.random.Generator
) -> pd.DataFrame:
    kinds = READOUTS.index(readout)
    frame = layout[layout["role"] != "empty"].copy()
    noise = 0.05 + 0.03 * kinds
    viability = []
    for row in frame.to_dict("records"):
        middle = {"negative_control": 1.0, "positive_control": 0.0, "untreated": 1.05}.get(
            row["role"]
        )
        if row["role"] == "titration":
            middle = 1 - 1 / (1 + 10 ** (1.2 * (1.5 - math.log10(row["concentration"]))))
        elif row["role"] == "treatment":
            shift = np.array(curves[row["treatment"]])
            shift[2] += 0.35 * kinds * (1 if len(row["treatment"]) % 2 else -1)
            middle = 1 - float(evaluate(shift, [math.log10(row["concentration"])])[0])
        viability.append(np.nan if middle is None else middle + rng.normal(0, noise))
    frame["viability"] = viability
    frame["value"] = 0.2 + 0.6 * frame["viability"]
    if readout == "mean_of_stack":
        frame["value"] = 180 + 220 * (1 - frame["viability"])
    frame["screen"], frame["readout"], frame["flag"] = "DEMO_V1_DS1", readout, ""
    frame["used"] = frame["viability"].notna()
    outlier = frame.index[frame["role"] == "negative_control"][0]
    frame.loc[outlier, ["value", "viability"]] = [0.44, 0.4]
    lost = frame.index[frame["role"] == "treatment"][:1]
    frame.loc[lost, ["value", "viability", "used"]] = [np.nan, np.nan, False]
    frame.loc[lost, "flag"] = "damaged"
    return frame[tables.RESPONSES.names].reset_index(drop=True)


def dss(parameters: tuple[float, ...], low: float, high: float) -> float:
    """DSS_asym by its definition (specification, section 13), for the made-up curves."""
    bottom, top = parameters[:2]
    threshold = 0.1 * max(100, min(110, 100 * max(bottom, top)))
    x = np.linspace(low, high, 200)
    y = 100 * evaluate(np.array(parameters), x)
    y = np.full_like(y, y[-1]) if top < bottom else y
    area = np.trapezoid(np.where(y > threshold, y - threshold, 0), x)
    return float(50 * area / ((100 - threshold) * (high - low)))


def _scores(
    responses: pd.DataFrame,
    curves: dict,
    readout: str,
    doses: int,
    replicates: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    frame = responses[(responses["readout"] == readout) & (responses["role"] == "treatment")]
    rows = []
    names = [name for name in curves if name in set(frame["treatment"])]
    kinds = READOUTS.index(readout)
    for i, name in enumerate(names):
        status = {
            len(names) - 1: "inverted",
            len(names) - 2: "failed",
            len(names) - 3: "no_curve",
        }.get(i, "ok")
        shift = np.array(curves[name])
        shift[2] += 0.35 * kinds * (1 if len(name) % 2 else -1)
        scored = status in ("ok", "inverted")
        score = dss(tuple(shift), 0, doses - 1) if scored else np.nan
        fitted = 100 * evaluate(shift, np.arange(doses)) if scored else np.full(doses, np.nan)
        bottom, top, x_mid, slope, _ = shift
        half = (
            10 ** (x_mid - math.log10((top - bottom) / (0.5 - bottom) - 1) / slope)
            if top > 0.5
            else np.nan
        )
        row = {
            "screen": "DEMO_V1_DS1", "readout": readout, "treatment": name, "addon": "", "dss_asym": score,
            "abs_ic50": half if status == "ok" else np.nan, "rel_ic50": 10**x_mid, "slope": slope,
            "imin": 100 * bottom, "imax": 100 * top, "a_min": 10.0 if scored else np.nan,
            "gof": 0.97 - 0.5 * (i / len(names)) if scored else np.nan,
            "min_concentration": 1.0, "max_concentration": 10.0 ** (doses - 1), "n_doses": doses,
            "n_replicates": replicates, **{f"pi{d + 1}": fitted[d] for d in range(doses)},
            **{f"dss_asym_rep{k + 1}": score + rng.normal(0, 1.2) for k in range(replicates)},
            "status": status,
            "reason": {"no_curve": "2 doses, at least 3 are needed", "failed": "the fit did not move"}.get(status, ""),
            "dss_asym_low": max(score - 2.0, 0.0), "dss_asym_high": score + 2.0,
            "dss_asym_low_wells": max(score - 2.0, 0.0),
            "abs_ic50_interval": "12 nM – > 10 µM" if status == "ok" else "",
            "p_value": 0.0002 if scored else np.nan, "q_value": 0.0004 if scored else np.nan,
            "hit": bool(score - 2.0 > HIT and status == "ok"), "hit_published": bool(score > HIT),
        }  # fmt: skip
        rows.append(row)
    table = pd.DataFrame(rows)
    table["rank"] = table["dss_asym"].rank(ascending=False, method="average")
    return table


def _curves(screen: Screen, curves: dict, readouts: tuple[str, ...]) -> pd.DataFrame:
    rows = []
    for row in screen.scores[screen.scores["readout"].isin(readouts)].to_dict("records"):
        bottom, top, x_mid, slope, asymmetry = curves[row["treatment"]]
        fitted = row["status"] in ("ok", "inverted")
        numbers = (bottom, top, x_mid, slope, asymmetry) if fitted else (np.nan,) * 5
        rows.append(
            (screen.name, row["readout"], "treatment", row["treatment"], "", 0, row["status"], row["reason"], 10, row["n_doses"],
             5 if fitted else 0, *numbers, 0.1, row["gof"], row["min_concentration"], row["max_concentration"])
        )  # fmt: skip
    return pd.DataFrame(rows, columns=tables.CURVES.names)


def _bands(curves: pd.DataFrame) -> pd.DataFrame:
    """The fitted curves, give or take 8 % inhibition."""
    rows = []
    for row in curves[curves["status"].isin(["ok", "inverted"])].to_dict("records"):
        doses = np.logspace(0, np.log10(row["max_concentration"]), 41)
        parameters = np.array(
            [row[name] for name in ("bottom", "top", "x_mid", "slope", "asymmetry")]
        )
        fitted = evaluate(parameters, np.log10(doses))
        names = (row["screen"], row["readout"], row["role"], row["treatment"], row["addon"])
        rows += [(*names, d, y - 0.08, y + 0.08) for d, y in zip(doses, fitted, strict=True)]
    return pd.DataFrame(rows, columns=tables.BANDS.names)


def _quality(screen: Screen, readout: str, held: bool) -> pd.DataFrame:
    rows = []
    for plate, value in zip(screen.plates, (0.62, 0.48, 0.55), strict=False):
        crossfit = -0.4 if held and plate == "PL1" else value
        verdict = "fail" if crossfit < 0 else "pass"
        rows.append(
            (
                readout,
                plate,
                "robust_z_prime_crossfit",
                crossfit,
                ">= 0.4",
                verdict,
                True,
                "leave one plate out",
            )
        )
        rows.append(
            (
                readout,
                plate,
                "robust_z_prime_in_sample",
                value + 0.2,
                "",
                "info",
                False,
                "optimistic",
            )
        )
    rows += [
        (readout, "screen", "replicate_pearson", 0.91, ">= 0.8", "pass", False, ""),
        (
            readout,
            "screen",
            "titration_monotonicity",
            0.7,
            ">= 0.8",
            "warn",
            False,
            "one step rises",
        ),
        (
            "mean_of_stack",
            "screen",
            "robust_z_prime",
            -1.2,
            ">= 0",
            "fail",
            False,
            "not the headline",
        ),
        ("", "screen", "damaged_wells", 1.0, "<= 5", "pass", True, ""),
        (readout, "screen", "not_computed", np.nan, "", "info", False, "fewer than 3 replicates"),
    ]
    frame = pd.DataFrame(rows, columns=[c for c in tables.QUALITY.names if c != "screen"])
    return frame.assign(screen=screen.name)[tables.QUALITY.names]


def history(epochs: int = 20) -> pd.DataFrame:
    """A training history that ends just above the smallest reachable loss."""
    epoch = np.arange(1, epochs + 1)
    decay = np.exp(-epoch / 5)
    return pd.DataFrame(
        {
            "epoch": epoch,
            "loss": 0.505 + 0.19 * decay,
            "accuracy": 1 - 0.5 * decay,
            "auroc": 1 - 0.4 * decay,
            "validation_loss": 0.53 + 0.16 * decay,
            "validation_accuracy": np.where(epoch > 4, 1.0, 0.5),
            "validation_auroc": 1 - 0.3 * decay,
        }
    )


def _write(
    screen: Screen, layout: pd.DataFrame, curves: dict, readouts: tuple[str, ...], *, held: bool
) -> None:
    folder = screen.folder
    tables.write_table(layout, folder / "layout.parquet", tables.LAYOUT)
    tables.write_table(screen.responses, folder / "responses.parquet", tables.RESPONSES)
    tables.write_table(_curves(screen, curves, readouts), folder / "curves.parquet", tables.CURVES)
    bands = _bands(_curves(screen, curves, readouts))
    tables.write_table(bands, folder / "bands.parquet", tables.BANDS)
    tables.write_table(_quality(screen, readouts[0], held), folder / "quality.tsv", tables.QUALITY)
    screen.scores.to_csv(folder / "scores.tsv", sep="\t", index=False)
    reasons = (
        ["Plate PL1: robust Z′ (cross-fitted) is −0.40, at least 0.4 is needed"] if held else []
    )
    write_json(folder / "verdict.json", {"verdict": "hold" if held else "pass", "reasons": reasons})
    write_json(folder / "admission.json", {"verdict": "ready", "reasons": []})
    for plate in screen.plates:
        lost = screen.responses[
            (screen.responses["plate"] == plate) & (screen.responses["flag"] == "damaged")
        ]
        wells = {w: {"verdict": "damaged", "flags": ["plane 3 is cut off"]} for w in lost["well"]}
        write_json(
            screen.plates_root / plate / "admission.json",
            {"verdict": "admitted", "reasons": [], "wells": wells},
        )
    models = folder / screen.network
    recipe = {"network": screen.network, "epochs": 20, "learning_rate": 1e-4, "augmentation": "clean",
              "batch_size": 4, "label_smoothing": 0.4, "origin": "ours"}  # fmt: skip
    for phase in (1, 2):
        write_json(models / f"phase{phase}.json", {"recipe": recipe, "sha256": "ab" * 32})
        history().to_csv(models / f"phase{phase}_history.tsv", sep="\t", index=False)
    write_json(
        models / "phase3.json", {"skipped": "no drug has two replicates", "sha256": "cd" * 32}
    )
    (models / "phase3_history.tsv").write_text("epoch\tloss\n")
    controls = screen.responses[
        (screen.responses["readout"] == readouts[0])
        & screen.responses["role"].isin(["negative_control", "positive_control"])
    ]
    crossfit = controls[["plate", "well"]].assign(viability=controls["value"] * 0.95)
    crossfit.to_parquet(models / "crossfit.parquet")


def spheroid(viability: float, side: int, rng: np.random.Generator) -> np.ndarray:
    """A blob of nuclei on a dim ground: the fewer and brighter, the lower the viability."""
    y, x = np.mgrid[:side, :side]
    image = np.full((side, side), 400.0)
    alive = float(np.clip(viability, 0.05, 1.1))
    for _ in range(int(30 + 70 * alive)):
        radius, angle = abs(rng.normal(0, side * (0.1 + 0.1 * alive))), rng.uniform(0, 2 * np.pi)
        cy, cx = side / 2 + radius * np.sin(angle), side / 2 + radius * np.cos(angle)
        size = side * rng.uniform(0.008, 0.014) * (1 + alive)
        image += (
            rng.uniform(900, 2600)
            * (1.4 - 0.6 * alive)
            * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * size**2))
        )
    return (image + rng.normal(0, 25, image.shape)).astype(np.float32)


def _write_images(
    screen: Screen, plate: str, frame: pd.DataFrame, side: int, rng: np.random.Generator
) -> None:
    mine = frame[(frame["plate"] == plate) & frame["value"].notna()]
    write_images(
        screen, plate, np.stack([np.stack([spheroid(v, side, rng)] * 2) for v in mine["viability"]])
    )


def write_images(screen: Screen, plate: str, images: np.ndarray) -> None:
    """Write the first of `images` (n, 2, S, S) as the measured wells of a plate."""
    own = screen.responses[screen.responses["readout"] == screen.headline]
    wells = list(own[(own["plate"] == plate) & own["value"].notna()]["well"])
    content = WellImages(
        plate, wells, [1] * len(wells), images[: len(wells)], 65535.0, [""] * len(wells)
    )
    write_wells(screen.plates_root / plate / "wells.zarr", content)
