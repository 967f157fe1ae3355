# Across screens: a line for each, their comparisons, and the page of the facility.
# REQUIRED INPUTS: verdict.json, scores.tsv and quality.tsv of all screens, of released ones their signed copies
# OUTPUTS: results/cohort/screens.tsv, repeats.tsv, mismatches.tsv, controls.tsv, report.html


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
        screens=cohort_screens(sheets),
        releases=dict(sheets.frozen),
        code=code_digest("summarise_cohort.py"),
    script:
        "../../scripts/summarise_cohort.py"


rule gather_comparisons:
    input:
        repeats=comparisons.all_comparisons(sheets, "repeats.tsv"),
        mismatches=comparisons.all_comparisons(sheets, "mismatches.tsv"),
    output:
        repeats="results/cohort/repeats.tsv",
        mismatches="results/cohort/mismatches.tsv",
    log:
        "logs/cohort/gather_comparisons.log",
    benchmark:
        "results/benchmarks/cohort/gather_comparisons.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(10),
    params:
        code=code_digest("gather_comparisons.py"),
    script:
        "../../scripts/gather_comparisons.py"


rule report_cohort:
    input:
        verdicts=of_cohort("verdict.json"),
        scores=of_cohort("scores.tsv"),
        quality=of_cohort("quality.tsv"),
        repeats="results/cohort/repeats.tsv",
        mismatches="results/cohort/mismatches.tsv",
    output:
        controls="results/cohort/controls.tsv",
        report=report(
            "results/cohort/report.html",
            caption="../report/facility.rst",
            category="Cohort",
            labels={"page": "facility"},
        ),
    log:
        "logs/cohort/report_cohort.log",
    benchmark:
        "results/benchmarks/cohort/report_cohort.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        screens=cohort_screens(sheets),
        plates=list(sheets.plates),
        samples=comparisons.samples(sheets),
        diagnoses=comparisons.named(sheets.samples, "diagnosis"),
        classes=comparisons.named(sheets.drugs, "class"),
        releases=dict(sheets.frozen),
        baseline=lookup(within=config, dpath="context/baseline_plates"),
        hit=lookup(within=config, dpath="scoring/hit"),
        report=lookup(within=config, dpath="report"),
        code=code_digest("report_cohort.py"),
    script:
        "../../scripts/report_cohort.py"
