"""How the numbers were made: written from the records of the models and the settings, never from memory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import exvivo
from exvivo.figures.words import count, dose, listed
from exvivo.readouts.kinds import kind_of
from exvivo.report.context import Context, names, readout_name, text
from exvivo.report.explanations import GLOSSARY
from exvivo.report.inputs import Phase

BERKER = "Berker et al., IEEE Trans. Med. Imaging 41(12):3981, 2022, doi:10.1109/TMI.2022.3205554"
_CITATIONS = (
    BERKER,
    "ElHarouni et al. (iTReX), Pharmacol. Res. 175:105996, 2022, doi:10.1016/j.phrs.2021.105996",
    "Yadav et al. (drug sensitivity score), Sci. Rep. 4:5193, 2014, doi:10.1038/srep05193",
    "Zhang, Chung and Oldenburg (Z′), J. Biomol. Screen. 4(2):67, 1999, doi:10.1177/108705719900400206",
)
_NETWORK_CITATIONS = {
    "vgg": "Simonyan and Zisserman (VGG), arXiv:1409.1556, 2014",
    "resnet": "He et al. (ResNet), arXiv:1512.03385, 2015",
    "efficientnet": "Tan and Le (EfficientNet), arXiv:1905.11946, 2019",
}
_ROMAN = {1: "I", 2: "II", 3: "III"}


@dataclass(frozen=True)
class Methods:
    """The section's content, all plain text."""

    paragraphs: list[str]
    limits: list[str]
    citations: list[str]
    facts: list[tuple[str, str]]
    glossary: tuple[tuple[str, str], ...]
    missing: list[tuple[str, str]]


def methods(context: Context) -> Methods:
    """Methods paragraph, limits, citations and the facts of this run."""
    paragraphs = [_readout_text(context), _network_text(context), _scoring_text(context)]
    return Methods(
        paragraphs=[p for p in paragraphs if p],
        limits=_limits(context),
        citations=_citations(context),
        facts=_facts(context),
        glossary=GLOSSARY,
        missing=sorted(context.inputs.missing.items()),
    )


def _readout_text(context: Context) -> str:
    inputs = context.inputs
    frame = inputs.responses
    measured = frame[(frame["role"] != "empty") & frame["value"].notna()]
    wells = len(measured.drop_duplicates(["plate", "well"]))
    plates = len(names(frame["plate"]))
    told = [readout_name(r) for r in inputs.readouts]
    if not told:
        return "No readout has been measured for this screen."
    text_ = (
        f"{count(plates, 'plate')} with {count(wells, 'measured well')} gave {count(len(told), 'readout')}: "
        f"{listed(told)}. The headline readout, by which drugs are ranked, is {readout_name(inputs.headline)}."
    )
    if inputs.stores:
        text_ += (
            " Each well was imaged as a stack; its maximum projection (MIP) and middle plane (MID), averaged "
            "by area to the input size of the network, are all that the network sees."
        )
    return text_


def _network_text(context: Context) -> str:
    phases = context.inputs.phases
    trained = [phase for phase in phases.values() if phase.record and not phase.skipped]
    if not trained:
        return ""
    first = _recipe(trained[0])
    network = context.inputs.network or str(first.get("network", "the network"))
    start = (
        "its convolutions pretrained on ImageNet"
        if network.startswith("vgg")
        else "pretrained on ImageNet"
    )
    start = "" if network == "small" else f", {start},"
    sentences = [
        f"The network {network}{start} was trained to tell negative from positive controls in up to three phases "
        "(Berker et al. 2022): on a cell line's controls (I), on the controls of this screen (II) and, if there "
        "are duplicates, on all wells with exchanged duplicate labels (III)."
    ]
    sentences += [_phase_text(phase) for phase in trained]
    sentences += [
        f"Phase {_ROMAN[p.number]} was skipped: {p.skipped.rstrip('.')}."
        for p in phases.values()
        if p.skipped
    ]
    sentences.append(
        "A well's readout is the probability of the negative-control class, averaged over its fields."
    )
    return " ".join(sentences)


def _recipe(phase: Phase) -> Mapping[str, Any]:
    """The settings of a phase; records keep them under `recipe`, older ones at the top."""
    inner = phase.record.get("recipe") or phase.record.get("settings")
    return inner if isinstance(inner, Mapping) else phase.record


def _phase_text(phase: Phase) -> str:
    recipe = _recipe(phase)
    told = []
    counts = phase.record.get("counts") or {}
    if counts.get("train"):
        told.append(
            f"{count(int(counts['train']), 'image')}, {counts.get('validation', 0)} more for validation"
        )
    if recipe.get("epochs") is not None:
        told.append(count(int(recipe["epochs"]), "epoch"))
    if recipe.get("learning_rate") is not None:
        told.append(f"Adam with learning rate {_scientific(recipe['learning_rate'])}")
    for key, words in (
        ("schedule", "{} rate"),
        ("batch_size", "batch size {}"),
        ("label_smoothing", "label smoothing {}"),
        ("augmentation", "augmentation “{}”"),
        ("input_size", "input size {} px"),
        ("epoch", "kept epoch: {}"),
        ("origin", "recipe: {}"),
    ):
        if recipe.get(key) not in (None, ""):
            told.append(words.format(str(recipe[key]).replace("_", " ")))
    if phase.record.get("bfloat16") and str(recipe.get("network")).startswith("vgg"):
        told.append("products of its convolutions in bfloat16")
    return f"Phase {_ROMAN[phase.number]}: {', '.join(told)}." if told else ""


def _scientific(value: Any) -> str:
    return (
        re.sub(r"e([+-])0*(\d+)", r"e\1\2", f"{float(value):g}")
        .replace("e-", " × 10^−")
        .replace("e+", " × 10^")
    )


def _scoring_text(context: Context) -> str:
    scoring, hit = context.inputs.scoring, context.inputs.hit
    threshold = scoring.get("threshold") or "variable"
    if threshold == "variable":
        told = "10 % of the larger of 100 % and the fitted maximum (held to 110 %)"
    else:
        told = f"{threshold:g} %" if isinstance(threshold, int | float) else f"{threshold} %"
    sentences = [
        "Readouts were normalised per plate between the medians of the positive (0 %) and the negative controls "
        "(100 %), without clipping, and inhibition is 100 % minus viability."
    ]
    if scoring.get("method") in (None, "itrex"):
        sentences.append(
            "Curves with up to five parameters (asymmetric logistic) were fitted to all replicates by one "
            "quasi-Newton run from the published start values with the objective Σ|residual|^1.5; the model of "
            "2 to 5 parameters with the smallest objective was kept (method “itrex”)."
        )
    else:
        sentences.append(f"Curves were fitted with the method “{scoring['method']}”.")
    sentences.append(
        "DSS_asym is half the area of the fitted inhibition above the threshold over log10 dose, relative to the "
        f"largest possible area; the threshold is {told}. A drug is a hit if its DSS_asym and the lower end of "
        f"its interval{_but_network(context)} are above {hit:g}, unless its curve is inverted or failed; by the published definition "
        f"DSS_asym > {hit:g} alone is one."
    )
    sentences += _interval_sentences(context)
    if scoring.get("reference"):
        sentences.append(
            "Selective scores (sDSS) are differences from a reference of control samples."
        )
    return " ".join(sentences)


_MODELS = (
    "with an error common to all wells of a drug, as large as the difference between models that were trained without a "
    "part of the controls, "
)


_NETWORK = (
    "with an error common to all wells of a drug, as large as such networks' errors are on simulated screens by level of "
    "inhibition, "
)


def _but_network(context: Context) -> str:
    kind, scoring = kind_of(context.inputs.headline), context.inputs.scoring
    wider = kind.training and scoring.get("network_error")
    return ", without what the network itself gets wrong," if wider else ""


def _common_errors(context: Context) -> str:
    kind, scoring = kind_of(context.inputs.headline), context.inputs.scoring
    models = kind.trained_on_controls and scoring.get("between_models")
    network = kind.training and scoring.get("network_error")
    return f"{_MODELS if models else ''}{_NETWORK if network else ''}"


def _interval_sentences(context: Context) -> list[str]:
    """How intervals and p-values came about; nothing where the screen has none."""
    inputs, drawn = context.inputs, context.inputs.scoring.get("bootstrap") or {}
    if not len(inputs.bands):
        return []
    basis = kind_of(inputs.headline).honest_replicates or inputs.headline
    return [
        f"Intervals hold {inputs.interval} of {drawn.get('samples', 500)} bootstrap samples: bounded, robust "
        "curves refitted to data drawn around the drug's own curve, with the scatter of the replicates of "
        f"{readout_name(basis)}, pooled over all drugs by level of inhibition, "
        f"{_common_errors(context)}"
        "and with each plate's controls drawn anew.",
        "The p-value of a drug is that of its largest mean effect over the doses from any one upwards, against "
        "wells without effect drawn from the same scatter; q is the false discovery rate by Benjamini and "
        "Hochberg over all drugs of the readout.",
    ]


def _limits(context: Context) -> list[str]:
    contrast = _contrast(context)
    limits = [
        "Viability here means likeness to the negative control on the scale that the contrast sets: "
        f"{contrast}. A drug that kills in another way than the positive control, or changes cells without "
        "killing them, can be scored too low or too high."
    ]
    if "taurosporin" in contrast:
        limits.append(
            "With staurosporine as the positive control it is, strictly, likeness to staurosporine-treated cells "
            "that is measured (Berker et al. 2022, section V-A)."
        )
    limits += [
        "Drug effects ex vivo need not occur in the patient: no pharmacokinetics, no immune system, no tissue.",
        "Scores of steep curves between two doses are uncertain by several units: a small difference in rank is "
        "no difference.",
    ]
    if context.inputs.headline == "viability_phase3":
        limits.append(
            "Phase III exchanges the labels of duplicates, so agreement between its own replicates is optimistic; "
            "replicate agreement is judged from phase II."
        )
    return limits


def _contrast(context: Context) -> str:
    """The two ends of the scale in words, from the wells that were used."""
    frame = context.responses
    ends = []
    sided = [("negative", "100 %"), ("positive", "0 %")]
    given = context.inputs.contrasts.get(context.inputs.headline) or {}
    one_sided = "positive" in given and given["positive"] is None
    for side, percent in sided[:1] if one_sided else sided:
        wells = frame[frame["side"] == side]
        drugs = names(
            " ".join(p for p in (text(t), dose(c) if c == c and c else "") if p)
            for t, c in zip(wells["treatment"], wells["concentration"], strict=True)
        )
        content = listed([d for d in drugs if d]) or f"the {side} control"
        ends.append(f"{percent} is {content}")
    if one_sided:
        ends.append("0 % the value 0")
    return " and ".join(ends)


def _citations(context: Context) -> list[str]:
    network = context.inputs.network
    found = [text_ for name, text_ in _NETWORK_CITATIONS.items() if network.startswith(name)]
    return [*_CITATIONS, *found]


def _facts(context: Context) -> list[tuple[str, str]]:
    inputs = context.inputs
    facts = [("exvivo", exvivo.__version__), ("Screen", inputs.screen)]
    if inputs.run_digest:
        facts.append(("Run record", f"SHA-256 {inputs.run_digest[:16]}… (run_record.json)"))
    if inputs.network:
        facts.append(("Network", inputs.network))
    facts += [
        (f"Model of phase {_ROMAN[phase.number]}", f"SHA-256 {phase.record['sha256'][:16]}…")
        for phase in inputs.phases.values()
        if phase.record.get("sha256") and not phase.skipped
    ]
    for phase in inputs.phases.values():
        ran = [
            f"{k} {phase.record[k]}"
            for k in ("device", "torch", "seed")
            if phase.record.get(k) is not None
        ]
        facts += [(f"Run of phase {_ROMAN[phase.number]}", ", ".join(ran))] if ran else []
    facts += [(name, f"SHA-256 {digest[:16]}…") for name, digest in sorted(inputs.digests.items())]
    return facts
