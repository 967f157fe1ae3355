"""What metrics and terms mean, in sentences for people who did not write the pipeline."""

from __future__ import annotations

# The first entry whose words all occur in a metric's id is taken.
_METRICS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("z", "prime", "crossfit"),
        "Distance between the controls in units of their spread, from controls that the judging model had not "
        "seen. 1 is perfect, above 0.5 very good, below 0 the controls overlap. This is the Z′ that counts.",
    ),
    (
        ("z", "prime", "sample"),
        "The same, from controls that the model was trained on: optimistic, shown because it is what was "
        "published.",
    ),
    (
        ("z", "prime", "robust"),
        "Distance between the controls in units of their spread, by medians (1 − 3 (MAD₊ + MAD₋) / |difference|). "
        "1 is perfect, above 0.5 very good, below 0 the controls overlap.",
    ),
    (
        ("z", "prime"),
        "The classical Z′ by means and standard deviations; one bad well weighs more than in the robust one.",
    ),
    (("pearson",), "Agreement of replicate wells: 1 is perfect."),
    (("spearman",), "Agreement of the order of replicate wells: 1 is perfect."),
    (
        ("titration",),
        "Whether viability falls as the dose of the titrated control rises, as it must.",
    ),
    (
        ("untreated",),
        "Whether the solvent alone harms the cells: DMSO wells against untreated ones.",
    ),
    (
        ("uniform",),
        "Whether the middle of the plate differs from its edge, or one row or column from the others.",
    ),
    (
        ("validation", "loss"),
        "Loss on controls held out of training; 0.5004 is the smallest that can be reached.",
    ),
    (("validation",), "How many controls held out of training are told apart; 1 is all."),
    (("loss",), "Loss at the end of training; 0.5004 is the smallest that can be reached."),
    (("accuracy",), "Share of the training controls that are told apart."),
    (("auroc",), "Probability that a negative control is ranked above a positive one."),
    (("mismatch",), "Drugs that one readout calls a hit and the other does not."),
    (("coefficient", "variation"), "Spread of the controls relative to their mean, in percent."),
    (("cv",), "Spread of the controls relative to their mean, in percent."),
    (
        ("ssmd",),
        "Strictly standardised mean difference of the controls: the larger, the better apart.",
    ),
    (("flat",), "Whether the readout varies at all between wells."),
    (("outside",), "Wells whose output no training could produce: read with caution."),
    (("missing",), "Wells that should have a value and have none."),
    (("damaged",), "Wells whose images could not be used."),
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
        ("z prime", "Z′"),
        ("zprime", "Z′"),
        ("crossfit", "cross-fitted"),
        ("in sample", "in-sample"),
        ("auroc", "AUROC"),
        ("dmso", "DMSO"),
        ("pearson", "Pearson"),
        ("spearman", "Spearman"),
    ):
        words = words.replace(old, new)
    return words
