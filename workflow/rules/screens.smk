# Screens: their plates and layouts together, and whether they can be scored.
# REQUIRED INPUTS: layouts, results/plates/{plate}/{admission,wells.done}.json
# OUTPUTS: layout.parquet and admission.json in results/screens/{screen}


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
        contrasts=contrasts,
        plates_of=plates_of_readouts,
        pseudonym_pattern=lookup(within=config, dpath="pseudonym_pattern"),
        min_controls=lookup(within=config, dpath="quality/min_controls"),
        code=code_digest("check_screen.py"),
    script:
        "../../scripts/check_screen.py"
