# From readouts to a ranked list: normalise, fit, score, judge, report. Nothing here knows the assay.
# REQUIRED INPUTS: readouts of the screen, its layout and verdict, records of its models
# OUTPUTS: responses.parquet, curves.parquet, scores.tsv, bands.parquet, layout_truth.json, quality.tsv, verdict.json,
#   report.html


rule score_screen:
    input:
        layout="results/screens/{screen}/layout.parquet",
        admission="results/screens/{screen}/admission.json",
        flags="results/screens/{screen}/well_flags.parquet",
        readouts=readouts,
        folds=fold_files,
        reference=reference_file,
    output:
        responses="results/screens/{screen}/responses.parquet",
        curves="results/screens/{screen}/curves.parquet",
        scores=report(
            "results/screens/{screen}/scores.tsv",
            caption="../report/scores.rst",
            category="Scores",
            labels={"screen": "{screen}", "table": "scores"},
        ),
        bands="results/screens/{screen}/bands.parquet",
    log:
        "logs/screens/{screen}/score_screen.log",
    benchmark:
        "results/benchmarks/screens/{screen}/score_screen.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(15),
    params:
        screen="{screen}",
        contrasts=contrasts,
        plates_of=plates_of_readouts,
        scoring=lookup(within=config, dpath="scoring"),
        code=code_digest("score_screen.py"),
    script:
        "../../scripts/score_screen.py"


rule test_layout:
    input:
        layout="results/screens/{screen}/layout.parquet",
        admission="results/screens/{screen}/admission.json",
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        readouts=measured_wells,
    output:
        evidence="results/screens/{screen}/layout_truth.json",
    log:
        "logs/screens/{screen}/test_layout.log",
    benchmark:
        "results/benchmarks/screens/{screen}/test_layout.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(3000),
        runtime=times_attempt(30),
    params:
        contrasts=contrasts,
        plates_of=plates_of_readouts,
        code=code_digest("test_layout.py"),
    script:
        "../../scripts/test_layout.py"


rule assess_screen:
    input:
        responses="results/screens/{screen}/responses.parquet",
        curves="results/screens/{screen}/curves.parquet",
        scores="results/screens/{screen}/scores.tsv",
        admission="results/screens/{screen}/admission.json",
        flags="results/screens/{screen}/well_flags.parquet",
        layout_truth="results/screens/{screen}/layout_truth.json",
        histories=model_files("_history.tsv"),
        records=model_files(".json"),
        crossfit=crossfit_files,
    output:
        quality=report(
            "results/screens/{screen}/quality.tsv",
            caption="../report/quality.rst",
            category="Quality",
            labels={"screen": "{screen}", "table": "quality"},
        ),
        verdict="results/screens/{screen}/verdict.json",
    log:
        "logs/screens/{screen}/assess_screen.log",
    benchmark:
        "results/benchmarks/screens/{screen}/assess_screen.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(10),
    params:
        screen="{screen}",
        headline=headline,
        contrasts=contrasts,
        limits=lookup(within=config, dpath="quality"),
        hit=lookup(within=config, dpath="scoring/hit"),
        accepted=decided(decisions.acceptances),
        code=code_digest("assess_screen.py"),
    script:
        "../../scripts/assess_screen.py"


rule report_screen:
    input:
        responses="results/screens/{screen}/responses.parquet",
        curves="results/screens/{screen}/curves.parquet",
        bands="results/screens/{screen}/bands.parquet",
        scores="results/screens/{screen}/scores.tsv",
        quality="results/screens/{screen}/quality.tsv",
        verdict="results/screens/{screen}/verdict.json",
        record="results/screens/{screen}/run_record.json",
        admission="results/screens/{screen}/admission.json",
        layout="results/screens/{screen}/layout.parquet",
        flags="results/screens/{screen}/well_flags.parquet",
        layout_truth="results/screens/{screen}/layout_truth.json",
        plate_admissions=of_plates("results/plates/{plate}/admission.json"),
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        histories=model_files("_history.tsv"),
        records=model_files(".json"),
        crossfit=crossfit_files,
        drugs=comparisons.drugs_file(config),
        context="results/screens/{screen}/context.tsv",
        expected="results/screens/{screen}/expected.tsv",
        background="results/screens/{screen}/context.json",
        repeats=of_comparison("repeats.tsv"),
        mismatches=of_comparison("mismatches.tsv"),
        paired=of_comparison("paired.parquet"),
        decisions=decision_files,
    output:
        report=report(
            "results/screens/{screen}/report.html",
            caption="../report/report.rst",
            category="Reports",
            labels={"screen": "{screen}"},
        ),
    log:
        "logs/screens/{screen}/report_screen.log",
    benchmark:
        "results/benchmarks/screens/{screen}/report_screen.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(15),
    params:
        screen="{screen}",
        sample=screen_setting("sample"),
        network=screen_setting("network"),
        headline=headline,
        contrasts=contrasts,
        scoring=lookup(within=config, dpath="scoring"),
        report=lookup(within=config, dpath="report"),
        code=code_digest("report_screen.py"),
    script:
        "../../scripts/report_screen.py"
