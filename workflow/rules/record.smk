# What the results of a screen were made from, for the report to cite and for whoever asks later.
# REQUIRED INPUTS: scores, quality and verdict of the screen, its models, the done files of its plates
# OUTPUTS: results/screens/{screen}/run_record.json, ro-crate-metadata.json


rule record_run:
    input:
        responses="results/screens/{screen}/responses.parquet",
        curves="results/screens/{screen}/curves.parquet",
        scores="results/screens/{screen}/scores.tsv",
        quality="results/screens/{screen}/quality.tsv",
        verdict="results/screens/{screen}/verdict.json",
        flags="results/screens/{screen}/well_flags.parquet",
        layouts=layout_files,
        admissions=of_plates("results/plates/{plate}/admission.json"),
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        models=model_files(".safetensors"),
        records=model_files(".json"),
        reference=reference_file,
    output:
        record="results/screens/{screen}/run_record.json",
        crate="results/screens/{screen}/ro-crate-metadata.json",
    log:
        "logs/screens/{screen}/record_run.log",
    benchmark:
        "results/benchmarks/screens/{screen}/record_run.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(10),
    params:
        screen="{screen}",
        sheet=screen_row,
        plates=plates_for_layout,
        settings=recorded_settings(config),
        decisions=decided(decisions.rows),
        rules=recorded_code,
        code=code_digest("record_run.py"),
    script:
        "../../scripts/record_run.py"
