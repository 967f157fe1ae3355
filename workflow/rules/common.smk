# Sheets, validation, wildcards, and thin bindings from the sheets to rules. Nothing slow, nothing random
# and no network at module level: every job of a cluster reads this file again.

import sys
from pathlib import Path

sys.path.insert(0, str(Path(workflow.current_basedir, "../../scripts").resolve()))

from exvivo import (
    celltargets,
    comparisons,
    jobsize,
    privacy,
    provenance,
    targets,
    watch,
)
from exvivo.archive.register import code_then, without_archived
from exvivo.runrecord.settings import settings as recorded_settings
from exvivo.release.folder import frozen_screens
from exvivo.signed import cohort_screens
from exvivo.sheets import decisions, load_config, read_sheets
from exvivo.sheets.names import CELL_READOUTS
from exvivo.trainingwells import training_wells_digest

config.update(load_config(config))
# A layout that is missing holds its own screen (check_screen), not the night.
sheets = read_sheets(
    config, Path.cwd(), layouts_must_exist=False, frozen=frozen_screens()
)

# The raw plates are watched by the main process alone: a job trusts the fingerprint it was started with.
if workflow.is_main_process:
    watch.scan(sheets, config, Path("results/plates"))


if config["container"]:

    container: config["container"]


wildcard_constraints:
    plate=targets.ANY_ID,
    screen=targets.ANY_ID,
    network=targets.alternatives(targets.networks(sheets)),
    phase="[123]",
    cell_network="|".join(celltargets.NETWORKS),
    cell_readout="|".join(CELL_READOUTS),
    marker=targets.ANY_ID,


def code_digest(script):
    """Parameter function: digest of the code behind a script; a job looks at that of its own rule only."""
    return lambda wildcards: provenance.code_digest(script)


def final_targets():
    cohort = ["results/cohort/screens.tsv", "results/cohort/report.html"]
    search = celltargets.search_files(config)
    pan = celltargets.pan_files(sheets, config)
    return (
        targets.reports(sheets)
        + targets.export_files(sheets, config)
        + cohort
        + search
        + pan
    )


def raw_plates():
    """Pattern of the plates with raw images for rules to read: imaged, and not archived."""
    imaged = targets.imaged_pattern(sheets)
    return without_archived(imaged, targets.open_imaged_ids(sheets))


def of_plates(pattern):
    """Input function: `pattern` for each plate of the job's screen."""
    return lambda w: [
        pattern.format(plate=p) for p in targets.plate_ids(sheets, w.screen)
    ]


def of_imaged_plates(pattern):
    """Input function: `pattern` for each plate of the job's screen that was imaged."""
    return lambda w: [
        pattern.format(plate=p) for p in targets.imaged_ids(sheets, w.screen)
    ]


def of_cohort(name):
    """That result of each screen of the cohort; of a released one the signed copy."""
    return [
        targets.screen_file(sheets, screen, name) for screen in cohort_screens(sheets)
    ]


def of_plate(attribute):
    """Parameter function: what plates.tsv says of the job's plate."""
    return lambda w: targets.plate_setting(sheets, config, w.plate, attribute)


def privacy_signature(wildcards):
    """What counts as personal: a change judges plates again, and reruns nothing that it admits as before."""
    return privacy.current().signature


def screen_setting(attribute):
    """Parameter function: what screens.tsv says of the job's screen."""
    return lambda w: targets.screen_setting(sheets, w.screen, attribute)


# Scripts that the numbers of a screen come from: a change of the report's looks is none of theirs.
RECORDED_SCRIPTS = [
    "admit_plate.py",
    "project_plate.py",
    "inspect_plate.py",
    "read_plate_reader.py",
    "train_phase.py",
    "crossfit_controls.py",
    "predict_screen.py",
    "check_screen.py",
    "judge_wells.py",
    "test_layout.py",
    "score_screen.py",
    "assess_screen.py",
]


def recorded_code(wildcards):
    """Parameter function: digest of the code behind each of those scripts; of what read archived plates, theirs."""
    cells = celltargets.cell_readouts(sheets, wildcards.screen)
    scripts = RECORDED_SCRIPTS + (celltargets.SCRIPTS if cells else [])
    now = {script: provenance.code_digest(script) for script in scripts}
    return now | code_then(targets.imaged_ids(sheets, wildcards.screen))


def screen_row(wildcards):
    """Parameter function: the screen's row of screens.tsv, without its status, which changes at its release."""
    return targets.screen_row(sheets, wildcards.screen)


def headline(wildcards):
    return sheets.screens[wildcards.screen].readouts[0]


def layout_files(wildcards):
    return targets.layout_files(sheets, wildcards.screen)


def plates_for_layout(wildcards):
    return targets.plates_for_layout(sheets, wildcards.screen)


def measured_wells(wildcards):
    return targets.measured_wells(sheets, wildcards.screen)


def contrasts(wildcards):
    return targets.contrasts(sheets, config, wildcards.screen)


def plates_of_readouts(wildcards):
    return targets.plates_of_readouts(sheets, wildcards.screen)


def reference_file(wildcards):
    return targets.reference_file(sheets, config, wildcards.screen)


def cohort_file(wildcards):
    return comparisons.cohort_file(sheets, config, wildcards.screen)


def same_sample(wildcards):
    """The screen itself and the other screens of its sample."""
    return comparisons.same_sample(sheets, wildcards.screen)


def same_sample_ordered(wildcards):
    """These screens in the order of screens.tsv."""
    return sorted(same_sample(wildcards), key=list(sheets.screens).index)


def sample_facts(wildcards):
    return comparisons.sample_facts(sheets, wildcards.screen)


def of_compared(name):
    """Input function: that result of the job's screen and of its repeats."""
    return lambda w: comparisons.compared_files(sheets, w.screen, name)


def of_comparison(name):
    """Input function: that table of the job's screen, if it is compared with anything."""
    return lambda w: comparisons.comparison_files(sheets, w.screen, name)


def start_model(phase):
    """Input function: the model that `phase` starts from."""
    return lambda w: targets.start_model(sheets, w.screen, w.network, phase)


def trained_model(wildcards):
    network = sheets.screens[wildcards.screen].network
    return targets.trained_model(
        sheets, wildcards.screen, network, int(wildcards.phase)
    )


def feature_files(wildcards):
    return targets.feature_files(sheets, wildcards.screen)


def readouts(wildcards):
    return targets.readout_files(sheets, wildcards.screen)


def model_files(suffix):
    """Input function: files of that suffix beside the models of the job's screen."""
    return lambda w: targets.model_files(sheets, w.screen, suffix)


def crossfit_files(wildcards):
    return targets.crossfit_files(sheets, wildcards.screen)


def fold_files(wildcards):
    """Input function: what the models of the cross-fit say of every well, where intervals hold it."""
    if not config["scoring"]["between_models"]:
        return []
    return targets.crossfit_files(sheets, wildcards.screen, "folds.parquet")


def tuned_features(wildcards):
    return targets.tuned_features(sheets, wildcards.screen)


def image_checks(wildcards):
    """Checks of a plate's images; what the network finds novel is judged with the screen."""
    return {key: of for key, of in config["image_quality"].items() if key != "novel"}


def local_weights(wildcards):
    return config["training"]["weights"].get(wildcards.network)


def viability_contrast(phase):
    """Parameter function: the wells that are 0 % and 100 % for the viability readout of `phase`."""
    return lambda w: targets.viability_contrast(sheets, config, w.screen, phase)


def decided(rows):
    """Parameter function: what people decided about the job's screen, as `rows` of it."""
    return lambda w: rows(sheets.decisions_of(w.screen))


def undecided(wildcards):
    """What a screen is scored with before any decision."""
    return {
        "screen": wildcards.screen,
        "contrasts": targets.configured_contrasts(sheets, config, wildcards.screen),
        "plates_of": targets.plates_of_readouts(sheets, wildcards.screen),
    }


def decision_files(wildcards):
    return [
        file
        for suffix in (".json", ".tsv")
        for file in targets.decision_files(sheets, wildcards.screen, suffix)
    ]


def training_settings(phase):
    """Parameter function: what of the configuration changes the model of `phase`."""
    return lambda w: targets.training_settings(config, w.network, phase)


def training_wells(kind):
    """Parameter function: digest of the wells that training reads, so that only they retrain a model."""
    return lambda w: training_wells_digest(sheets, config, w.screen, kind)


def cell_channels(wildcards):
    return celltargets.channels(sheets, config, wildcards.plate)


def crop_channels(wildcards):
    return celltargets.crop_channels(sheets, config, wildcards.plate)


def cell_markers(wildcards):
    return celltargets.meanings(sheets, wildcards.screen)


def cell_contrast(wildcards):
    return celltargets.cell_contrast(sheets, config, wildcards.screen)


def cell_training(wildcards):
    return celltargets.training_settings(config, wildcards.cell_network)


def cell_start(wildcards):
    """Input function: the network that a training of cells goes on from, none or one."""
    return celltargets.start(config, wildcards.cell_network)


def cell_models(wildcards):
    w = wildcards
    return celltargets.models(sheets, config, w.screen, w.cell_network)


def cell_released(wildcards):
    return bool(config["cells"]["models"].get(wildcards.cell_network))


def cell_records(wildcards):
    w = wildcards
    return celltargets.records(sheets, config, w.screen, w.cell_network)


def cell_choice(wildcards):
    return celltargets.choice(sheets, wildcards.screen, wildcards.cell_readout)


def cell_calls(wildcards):
    plates = targets.imaged_ids(sheets, wildcards.screen)
    return celltargets.calls(sheets, wildcards.screen, wildcards.cell_readout, plates)


def cell_sets(wildcards):
    """What is gathered of a screen's cells: how many of each class, and what a crop is."""
    crops = celltargets.crop_settings(config)
    return {"per_class": config["cells"]["pan"]["per_class"], "crops": crops}


def sample_or_screen(wildcards):
    return sheets.screens[wildcards.screen].sample or wildcards.screen


def pan_sets(wildcards):
    return celltargets.pan_sets(sheets, wildcards.cell_network, wildcards.scope)


def pan_solvent_sets(wildcards):
    return celltargets.pan_sets(sheets, wildcards.cell_network, suffix="_solvent")


def pan_samples(wildcards):
    return celltargets.pan_samples(sheets, wildcards.cell_network, wildcards.scope)


def pan_samples_of_all(wildcards):
    return celltargets.pan_samples(sheets, wildcards.cell_network)


def pan_labels(wildcards):
    return celltargets.pan_labels(sheets, wildcards.cell_network)


def pan_settings(wildcards):
    return celltargets.pan_settings(config, wildcards.cell_network)


def pan_scopes(wildcards):
    return celltargets.scopes(sheets, config, wildcards.cell_network)


def pan_tables(wildcards):
    return celltargets.pan_tables(sheets, config, wildcards.cell_network)


def pan_choices(wildcards):
    return celltargets.pan_choices(sheets, wildcards.cell_network)


def pan_records(wildcards):
    return celltargets.pan_records(sheets, config, wildcards.cell_network)


def pan_facts(wildcards):
    return celltargets.pan_facts(sheets, config, wildcards.cell_network)


def device(wildcards):
    return jobsize.device(config)


def gpus(wildcards):
    return jobsize.gpus(config)


def times_attempt(amount):
    """Resource function: `amount`, and more at each restart."""
    return lambda wildcards, attempt: attempt * amount


def by_size(amount, per_input_mb):
    """Resource function: `amount` and a share by the size of the input that is there, more at each restart.

    Not `input.size_mb`: it cannot be had before a group has made its own intermediate files, and what cannot be
    had is left out of the group's sum.
    """
    return lambda wildcards, input, attempt: jobsize.amount(
        attempt, amount, per_input_mb * jobsize.megabytes(input)
    )


def by_plate(amount, per_1000_files=0, per_file_mb=0, per_gb=0):
    """Resource function: `amount` and shares by the raw plate's files, their size, their volume."""
    return lambda wildcards, input, attempt: jobsize.by_plate(
        input.fingerprint, attempt, amount, per_1000_files, per_file_mb, per_gb
    )


def by_wells(amount, per_1000_wells):
    """Resource function: `amount` and a share by the wells in the stores `input.wells`."""
    return lambda wildcards, input, attempt: jobsize.amount(
        attempt, amount, per_1000_wells * jobsize.wells(input.wells) / 1000
    )
