# Readouts of the screen's own models: viability and penultimate features of every imaged well.
# REQUIRED INPUTS: a trained model, results/plates/{plate}/wells.done.json
# OUTPUTS: readouts/viability_phase{1,2,3}.parquet, {network}/features_phase{1,2,3}.parquet


rule predict_screen:
    input:
        wells=of_imaged_plates("results/plates/{plate}/wells.done.json"),
        model=trained_model,
    output:
        readout="results/screens/{screen}/readouts/viability_phase{phase}.parquet",
        features="results/screens/{screen}/features_phase{phase}.parquet",
    log:
        "logs/screens/{screen}/predict_phase{phase}.log",
    benchmark:
        "results/benchmarks/screens/{screen}/predict_phase{phase}.tsv"
    conda:
        "../../envs/train.yaml"
    threads: 1  # at batch 1 to 4 a second one costs more than it brings
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(60),
        gpu=gpus,
        device=device,
    params:
        code=code_digest("predict_screen.py"),
    script:
        "../../scripts/predict_screen.py"
