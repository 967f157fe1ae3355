# Across screens: one line for each.
# REQUIRED INPUTS: verdict.json and scores.tsv of all screens, of released ones their signed copies
# OUTPUTS: results/cohort/screens.tsv


rule summarise_cohort:
    input:
        verdicts=of_cohort("verdict.json"),
        scores=of_cohort("scores.tsv"),
    output:
        screens=report(
            "results/cohort/screens.tsv",
            caption="../report/cohort.rst",
            category="Cohort",
            labels={"table": "screens"},
        ),
    log:
        "logs/cohort/summarise_cohort.log",
    benchmark:
        "results/benchmarks/cohort/summarise_cohort.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(10),
    params:
        screens=targets.cohort_screens(sheets),
        releases=dict(sheets.frozen),
        code=code_digest("summarise_cohort.py"),
    script:
        "../../scripts/summarise_cohort.py"
