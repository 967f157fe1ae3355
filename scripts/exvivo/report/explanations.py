"""What metrics and terms mean, in sentences for people who did not write the pipeline."""

from __future__ import annotations

NAMES_HITS = ("modality_mismatch",)
YES_NO = ("plates_ready", "headline_measured", "layout_truth")
_APART = "1 is perfect, above 0.5 very good, below 0 the controls overlap."

# The first entry whose words all occur in a metric's id is taken.
_METRICS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("z", "prime", "crossfit"),
        "Distance between the controls in units of their spread, from controls that the judging model had not "
        f"seen. {_APART} This is the Z′ that counts.",
    ),
    (
        ("robust", "z", "prime", "sample"),
        "Robust Z′ of controls that the model was trained on: optimistic, shown because it is what was published.",
    ),
    (
        ("robust", "z", "prime"),
        "Distance between the controls in units of their spread, by medians: 1 − 3 (MAD₊ + MAD₋) / |difference|. "
        f"{_APART}",
    ),
    (
        ("z", "prime", "fixsd"),
        "Classical Z′ as iTReX prints it, with the root of the summed variances for the spread.",
    ),
    (
        ("z", "prime"),
        "Classical Z′ by means and standard deviations: one bad well weighs more than in the robust one.",
    ),
    (
        ("plates", "ready"),
        "Whether every plate has arrived, was admitted and has a readable layout.",
    ),
    (
        ("layout", "truth"),
        "Whether every plate fits its layout as given, and no other arrangement better.",
    ),
    (
        ("layout", "margin"),
        "Evidence for the layout as given over the best other arrangement, in nats: below 0 another one fits "
        "better.",
    ),
    (("headline", "measured"), "Whether the readout that ranks has any values."),
    (("control", "wells"), "Usable control wells of the rarer kind."),
    (("control", "cv"), "Spread of the negative controls relative to their mean, in percent."),
    (
        ("ssmd",),
        "Strictly standardised mean difference of the controls: the larger, the better apart.",
    ),
    (("signal", "background"), "Ratio of the controls' means."),
    (
        ("optimistic",),
        "Agreement of replicates by a model that learnt one from the other: shown, not judged.",
    ),
    (("replicate", "dss"), "Agreement of the replicates' scores: 1 is perfect."),
    (("replicate",), "Agreement of replicate wells' viability: 1 is perfect."),
    (("titration", "gof"), "How well a curve describes the titrated control: 1 is perfect."),
    (
        ("titration",),
        "Whether inhibition rises with the dose of the titrated control, as it must: 1 is always.",
    ),
    (
        ("untreated", "cliff"),
        "How often an untreated well lies above a negative control, from −1 to 1.",
    ),
    (
        ("untreated", "sd"),
        "The shift of untreated wells in units of the negative controls' spread.",
    ),
    (
        ("untreated", "signed"),
        "Untreated wells minus negative control, in viability: above 0 the solvent itself harms the cells.",
    ),
    (
        ("untreated",),
        "Whether the solvent alone harms the cells: viability of untreated wells against the negative control.",
    ),
    (
        ("nrfe",),
        "Normalised residual fit error: how far the wells lie from their own curves, in percent. No control is needed; "
        "above 15 is published as poor.",
    ),
    (
        ("residual",),
        "Whether what the fitted curves leave over has a pattern on the plate: difference in viability, judged where "
        "chance does not explain it.",
    ),
    (("edge",), "Viability at the plate's edge against the middle, in wells without an effect."),
    (("row",), "The row that differs most from the plate, in wells without an effect."),
    (("column",), "The column that differs most from the plate, in wells without an effect."),
    (("uniform",), "Whether one part of the plate differs from the rest."),
    (("not", "layout"), "Wells with a value that the layout does not name; they are not used."),
    (("range",), "Share of wells whose output no training could produce: read with caution."),
    (("missing",), "Share of wells that should have a value and have none."),
    (("wells", "excluded"), "Wells that a check of their image or a person has left out."),
    (("wells", "novel"), "Wells that look to the network like neither control."),
    (("damaged",), "Wells whose images could not be used."),
    (("scored",), "Share of drugs with a score."),
    (("inverted",), "Share of drugs whose fitted viability rises with dose."),
    (
        ("validation", "loss"),
        "Loss on controls held out of training; 0.5004 is the smallest that can be reached.",
    ),
    (("validation", "accuracy"), "Share of the held-out controls that are told apart."),
    (
        ("validation",),
        "Probability that a held-out negative control is ranked above a positive one.",
    ),
    (("loss",), "Loss at the end of training; 0.5004 is the smallest that can be reached."),
    (("accuracy",), "Share of the training controls that are told apart."),
    (("auroc",), "Probability that a negative control is ranked above a positive one."),
    (("mismatch",), "Share of drugs that one readout calls a hit and the other does not."),
    (("modality",), "Agreement of the scores by two kinds of measurement."),
)

GLOSSARY: tuple[tuple[str, str], ...] = (
    (
        "Viability",
        "Likeness to the negative control on the scale that the two controls set: 100 % is the median of the "
        "negative controls of the plate, 0 % the median of its positive controls. Never clipped.",
    ),
    (
        "DSS_asym",
        "Drug sensitivity score: the area between the fitted inhibition and a threshold of about 10 %, over the "
        "tested doses, scaled so that about 50 is full inhibition at every dose.",
    ),
    ("Hit", "A drug whose DSS_asym lies above the limit, on a screen that is not on hold."),
    ("IC50", "Dose at which the fitted curve reaches 50 % inhibition, if within the tested doses."),
    ("Max. effect", "Largest fitted inhibition at a tested dose."),
    ("GOF", "Goodness of fit: 1 if the curve explains all variation of the wells, 0 if none."),
    ("Replicate", "The same drug and dose in another well."),
    (
        "Inverted",
        "The fitted viability rises with dose. Its published score is kept in the tables, but it is never a hit.",
    ),
    (
        "Cross-fitted",
        "Judged by a model that was trained without this well (or its plate), so that it cannot have learned it "
        "by heart.",
    ),
    ("In-sample", "Judged by a model that was trained on this very well."),
    (
        "Phases I, II, III",
        "Training on a cell line's controls, on this screen's controls, on exchanged duplicates.",
    ),
    (
        "MIP, MID",
        "Maximum over all planes of the stack, and its middle plane: what the network looks at.",
    ),
    ("Gate", "A metric that puts the whole screen on hold if it fails."),
)


def explain(metric: str) -> str:
    """A sentence on a metric, by the words in its id; empty for one that is not known."""
    key = (
        metric.casefold()
        .replace("cross-fit", "crossfit")
        .replace("z'", "z_prime")
        .replace("zprime", "z_prime")
    )
    return next((told for words, told in _METRICS if all(word in key for word in words)), "")


def metric_name(metric: str) -> str:
    """A metric's id as words: robust_z_prime_crossfit is "robust Z′, cross-fitted"."""
    words = metric.replace("_", " ")
    for old, new in (
        ("z prime fixsd", "Z′ (iTReX)"),
        ("z prime", "Z′"),
        ("zprime", "Z′"),
        ("crossfit", "cross-fitted"),
        ("in sample", "in-sample"),
        ("auroc", "AUROC"),
        ("dmso", "DMSO"),
        ("dss", "DSS"),
        ("gof", "GOF"),
        ("ssmd", "SSMD"),
        ("nrfe", "NRFE"),
        ("control cv", "control CV"),
        ("cliffs", "Cliff’s"),
        ("shift signed", "shift, signed"),
        ("shift low", "shift, lower 95 %"),
        ("shift high", "shift, upper 95 %"),
        ("pearson", "Pearson"),
        ("spearman", "Spearman"),
    ):
        words = words.replace(old, new)
    return words
