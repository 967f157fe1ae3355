# Screens: their plates and layouts together, and whether they can be scored.
# REQUIRED INPUTS: layouts, results/plates/{plate}/{admission,wells.done}.json and well_flags.parquet;
# features_phase2.parquet of the screen's own network
# OUTPUTS: layout.parquet, admission.json and well_flags.parquet in results/screens/{screen}


rule check_screen:
    input:
        layouts=layout_files,
        admissions=of_plates("results/plates/{plate}/admission.json"),
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        readouts=measured_wells,
    output:
        layout="results/screens/{screen}/layout.parquet",
        admission="results/screens/{screen}/admission.json",
    log:
        "logs/screens/{screen}/check_screen.log",
    benchmark:
        "results/benchmarks/screens/{screen}/check_screen.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(5),
    params:
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        headline=headline,
        contrasts=contrasts,
        plates_of=plates_of_readouts,
        pseudonym_pattern=lookup(within=config, dpath="pseudonym_pattern"),
        min_controls=lookup(within=config, dpath="quality/min_controls"),
        code=code_digest("check_screen.py"),
    script:
        "../../scripts/check_screen.py"


rule judge_wells:
    input:
        layout="results/screens/{screen}/layout.parquet",
        plates=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        features=tuned_features,
    output:
        flags="results/screens/{screen}/well_flags.parquet",
    log:
        "logs/screens/{screen}/judge_wells.log",
    benchmark:
        "results/benchmarks/screens/{screen}/judge_wells.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(5),
    params:
        decisions=decided(decisions.well_rows),
        accepted=decided(decisions.acceptances),
        contrast=viability_contrast(2),
        novel=lookup(within=config, dpath="image_quality/novel"),
        code=code_digest("judge_wells.py"),
    script:
        "../../scripts/judge_wells.py"
