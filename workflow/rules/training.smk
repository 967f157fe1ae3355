# The network in three phases: controls of a cell line, controls of the screen, exchanged duplicate labels.
# REQUIRED INPUTS: results/plates/{plate}/wells.done.json, well_flags.parquet and the layouts of the screen
# OUTPUTS: phase{1,2,3}.safetensors with .json and _history.tsv, crossfit.parquet, folds.parquet
#
# Layouts are ancient() and read from the source, not from check_screen: a model is trained again when the
# wells it reads change (the parameter `training_wells`), not when the name of a drug is corrected. (Were they
# the output of another job, Snakemake would look at the parameter one run too late.) The flags of wells are the
# output of another job, so they are plain inputs: a plate that is looked at anew trains its screen anew.


rule fetch_weights:
    output:
        weights="results/models/{network}/imagenet.safetensors",
    log:
        "logs/models/{network}/fetch_weights.log",
    benchmark:
        "results/benchmarks/models/{network}/fetch_weights.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(30),
    params:
        local=local_weights,
        code=code_digest("fetch_weights.py"),
    script:
        "../../scripts/fetch_weights.py"


rule train_phase1:
    input:
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        layouts=ancient(layout_files),
        start="results/models/{network}/imagenet.safetensors",
    output:
        model="results/models/{network}/{screen}/phase1.safetensors",
        record="results/models/{network}/{screen}/phase1.json",
        history="results/models/{network}/{screen}/phase1_history.tsv",
    log:
        "logs/models/{network}/{screen}/train_phase1.log",
    benchmark:
        "results/benchmarks/models/{network}/{screen}/train_phase1.tsv"
    wildcard_constraints:
        screen=targets.first_phase_pattern(sheets),
    conda:
        "../../envs/train.yaml"
    threads: 1  # at batch 1 to 4 a second one costs more than it brings
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
        gpu=gpus,
        device=device,
    params:
        phase=1,
        settings=training_settings(1),
        contrast=viability_contrast(1),
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        training_wells=training_wells("phase2"),
        code=code_digest("train_phase.py"),
    script:
        "../../scripts/train_phase.py"


rule train_phase2:
    input:
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        layouts=ancient(layout_files),
        start=start_model(2),
    output:
        model="results/screens/{screen}/{network}/phase2.safetensors",
        record="results/screens/{screen}/{network}/phase2.json",
        history="results/screens/{screen}/{network}/phase2_history.tsv",
    log:
        "logs/screens/{screen}/{network}/train_phase2.log",
    benchmark:
        "results/benchmarks/screens/{screen}/{network}/train_phase2.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1  # at batch 1 to 4 a second one costs more than it brings
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(60),
        gpu=gpus,
        device=device,
    params:
        phase=2,
        settings=training_settings(2),
        contrast=viability_contrast(2),
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        training_wells=training_wells("phase2"),
        code=code_digest("train_phase.py"),
    script:
        "../../scripts/train_phase.py"


rule train_phase3:
    input:
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        layouts=ancient(layout_files),
        start=start_model(3),
        labels="results/screens/{screen}/readouts/viability_phase2.parquet",
    output:
        model="results/screens/{screen}/{network}/phase3.safetensors",
        record="results/screens/{screen}/{network}/phase3.json",
        history="results/screens/{screen}/{network}/phase3_history.tsv",
    log:
        "logs/screens/{screen}/{network}/train_phase3.log",
    benchmark:
        "results/benchmarks/screens/{screen}/{network}/train_phase3.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1  # at batch 1 to 4 a second one costs more than it brings
    resources:
        mem_mb=times_attempt(12000),
        runtime=times_attempt(240),
        gpu=gpus,
        device=device,
    params:
        phase=3,
        settings=training_settings(3),
        contrast=viability_contrast(3),
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        training_wells=training_wells("phase3"),
        code=code_digest("train_phase.py"),
    script:
        "../../scripts/train_phase.py"


rule crossfit_controls:
    input:
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        layouts=ancient(layout_files),
        start=start_model(2),
    output:
        crossfit="results/screens/{screen}/{network}/crossfit.parquet",
        folds="results/screens/{screen}/{network}/folds.parquet",
    log:
        "logs/screens/{screen}/{network}/crossfit_controls.log",
    benchmark:
        "results/benchmarks/screens/{screen}/{network}/crossfit_controls.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1  # at batch 1 to 4 a second one costs more than it brings
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(180),
        gpu=gpus,
        device=device,
    params:
        settings=training_settings(2),
        folds=lookup(within=config, dpath="training/folds"),
        every_well=lookup(within=config, dpath="scoring/between_models"),
        contrast=viability_contrast(2),
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        training_wells=training_wells("phase2"),
        code=code_digest("crossfit_controls.py"),
    script:
        "../../scripts/crossfit_controls.py"
