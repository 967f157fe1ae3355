# Decisions of people about screens: what each of them changes. Only for screens that somebody decided about.
# REQUIRED INPUTS: what score_screen reads, scores.tsv, verdict.json
# OUTPUTS: decisions.json and decisions.tsv in results/screens/{screen}


rule weigh_decisions:
    input:
        layout="results/screens/{screen}/layout.parquet",
        admission="results/screens/{screen}/admission.json",
        flags="results/screens/{screen}/well_flags.parquet",
        readouts=readouts,
        folds=fold_files,
        reference=reference_file,
        scores="results/screens/{screen}/scores.tsv",
        verdict="results/screens/{screen}/verdict.json",
    output:
        effects="results/screens/{screen}/decisions.json",
        moved="results/screens/{screen}/decisions.tsv",
    log:
        "logs/screens/{screen}/weigh_decisions.log",
    benchmark:
        "results/benchmarks/screens/{screen}/weigh_decisions.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(60),
    params:
        decisions=decided(decisions.rows),
        given=undecided,
        scoring=lookup(within=config, dpath="scoring"),
        code=code_digest("weigh_decisions.py"),
    script:
        "../../scripts/weigh_decisions.py"
