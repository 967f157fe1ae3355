# A screen for other programs, where the configuration asks for it.
# REQUIRED INPUTS: layout, responses, curves, scores, verdict of the screen; features of its network
# OUTPUTS: results/screens/{screen}/exports/{itrex.zip,breeze.zip,profiles.parquet}


rule export_screen:
    input:
        layout="results/screens/{screen}/layout.parquet",
        responses="results/screens/{screen}/responses.parquet",
        curves="results/screens/{screen}/curves.parquet",
        scores="results/screens/{screen}/scores.tsv",
        verdict="results/screens/{screen}/verdict.json",
        features=feature_files,
    output:
        export="results/screens/{screen}/exports/{export}",
    log:
        "logs/screens/{screen}/export_screen_{export}.log",
    benchmark:
        "results/benchmarks/screens/{screen}/export_screen_{export}.tsv"
    wildcard_constraints:
        export=targets.alternatives(targets.EXPORTS.values()),
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(10),
    params:
        contrasts=contrasts,
        code=code_digest("export_screen.py"),
    script:
        "../../scripts/export_screen.py"
