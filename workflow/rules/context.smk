# What a screen's scores mean beside others. An edited sheet of drugs or samples, another reference or a new
# repeat runs these and the report again, never the scoring.
# REQUIRED INPUTS: scores, curves, quality, verdict of the screen and of other screens of its sample
# OUTPUTS: context.tsv, expected.tsv, context.json, repeats.tsv, mismatches.tsv, paired.parquet


rule describe_drugs:
    input:
        scores="results/screens/{screen}/scores.tsv",
        curves="results/screens/{screen}/curves.parquet",
        drugs=comparisons.drugs_file(config),
        controls=reference_file,
        cohort=cohort_file,
    output:
        context="results/screens/{screen}/context.tsv",
        expected="results/screens/{screen}/expected.tsv",
        record="results/screens/{screen}/context.json",
    log:
        "logs/screens/{screen}/describe_drugs.log",
    benchmark:
        "results/benchmarks/screens/{screen}/describe_drugs.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1500),
        runtime=times_attempt(10),
    params:
        screen="{screen}",
        own=same_sample,
        facts=sample_facts,
        hit=lookup(within=config, dpath="scoring/hit"),
        code=code_digest("describe_drugs.py"),
    script:
        "../../scripts/describe_drugs.py"


rule compare_repeats:
    input:
        scores=of_compared("scores.tsv"),
        curves=of_compared("curves.parquet"),
        quality=of_compared("quality.tsv"),
        verdicts=of_compared("verdict.json"),
        drugs=comparisons.drugs_file(config),
    output:
        repeats="results/screens/{screen}/repeats.tsv",
        mismatches="results/screens/{screen}/mismatches.tsv",
        paired="results/screens/{screen}/paired.parquet",
    log:
        "logs/screens/{screen}/compare_repeats.log",
    benchmark:
        "results/benchmarks/screens/{screen}/compare_repeats.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1500),
        runtime=times_attempt(10),
    params:
        screens=same_sample,
        order=same_sample_ordered,
        sample=screen_setting("sample"),
        hit=lookup(within=config, dpath="scoring/hit"),
        code=code_digest("compare_repeats.py"),
    script:
        "../../scripts/compare_repeats.py"
