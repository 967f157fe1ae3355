# Raw plates: what each instrument wrote is admitted, then read once.
# REQUIRED INPUTS: results/plates/{plate}/fingerprint.tsv, written by the scan in common.smk
# OUTPUTS: admission.json, images.zarr, wells.zarr, hashes.tsv, exposure.parquet, readouts/,
# image_quality.parquet and well_flags.parquet in results/plates/{plate}


rule admit_plate:
    input:
        fingerprint="results/plates/{plate}/fingerprint.tsv",
    output:
        admission="results/plates/{plate}/admission.json",
    log:
        "logs/plates/{plate}/admit_plate.log",
    benchmark:
        "results/benchmarks/plates/{plate}/admit_plate.tsv"
    wildcard_constraints:
        plate=raw_plates(),
    conda:
        "../../envs/image.yaml"
    threads: 1
    resources:
        mem_mb=by_plate(1000, per_1000_files=20),
        runtime=by_plate(10, per_1000_files=3),
    params:
        folder=of_plate("folder"),
        instrument=of_plate("instrument"),
        pattern=lookup(within=config, dpath="imaging/pattern"),
        settings=lookup(within=config, dpath="admission"),
        privacy=privacy_signature,
        code=code_digest("admit_plate.py"),
    script:
        "../../scripts/admit_plate.py"


rule project_plate:
    input:
        fingerprint="results/plates/{plate}/fingerprint.tsv",
        admission="results/plates/{plate}/admission.json",
    output:
        images="results/plates/{plate}/images.done.json",
        wells="results/plates/{plate}/wells.done.json",
        mean_of_stack="results/plates/{plate}/readouts/mean_of_stack.parquet",
        exposure="results/plates/{plate}/exposure.parquet",
        hashes="results/plates/{plate}/hashes.tsv",
    log:
        "logs/plates/{plate}/project_plate.log",
    benchmark:
        "results/benchmarks/plates/{plate}/project_plate.tsv"
    wildcard_constraints:
        plate=raw_plates(),
    conda:
        "../../envs/image.yaml"
    threads: 4
    resources:
        mem_mb=by_plate(1000, per_file_mb=60),
        runtime=by_plate(10, per_gb=1),
    params:
        folder=of_plate("folder"),
        channel=lookup(within=config, dpath="imaging/channel"),
        input_size=lookup(within=config, dpath="imaging/input_size"),
        damaged_wells_limit=lookup(within=config, dpath="admission/damaged_wells_limit"),
        code=code_digest("project_plate.py"),
    script:
        "../../scripts/project_plate.py"


rule inspect_plate:
    input:
        wells="results/plates/{plate}/wells.done.json",
        exposure="results/plates/{plate}/exposure.parquet",
    output:
        metrics="results/plates/{plate}/image_quality.parquet",
        flags="results/plates/{plate}/well_flags.parquet",
    log:
        "logs/plates/{plate}/inspect_plate.log",
    benchmark:
        "results/benchmarks/plates/{plate}/inspect_plate.tsv"
    wildcard_constraints:
        plate=targets.imaged_pattern(sheets),
    conda:
        "../../envs/image.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(20),
    params:
        settings=image_checks,
        code=code_digest("inspect_plate.py"),
    script:
        "../../scripts/inspect_plate.py"


rule admit_plate_reader:
    input:
        fingerprint="results/plates/{plate}/fingerprint.tsv",
    output:
        admission="results/plates/{plate}/admission.json",
    log:
        "logs/plates/{plate}/admit_plate_reader.log",
    benchmark:
        "results/benchmarks/plates/{plate}/admit_plate_reader.tsv"
    wildcard_constraints:
        plate=targets.alternatives(targets.reader_ids(sheets)),
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(5),
    params:
        file=of_plate("folder"),
        layout_plate=of_plate("layout_plate"),
        privacy=privacy_signature,
        code=code_digest("admit_plate_reader.py"),
    script:
        "../../scripts/admit_plate_reader.py"


rule read_plate_reader:
    input:
        fingerprint="results/plates/{plate}/fingerprint.tsv",
        admission="results/plates/{plate}/admission.json",
    output:
        readout="results/plates/{plate}/readouts/{readout}.parquet",
    log:
        "logs/plates/{plate}/read_plate_reader_{readout}.log",
    benchmark:
        "results/benchmarks/plates/{plate}/read_plate_reader_{readout}.tsv"
    wildcard_constraints:
        plate=targets.alternatives(targets.reader_ids(sheets)),
        readout=targets.alternatives(targets.reader_readouts(sheets)),
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(5),
    params:
        file=of_plate("folder"),
        layout_plate=of_plate("layout_plate"),
        code=code_digest("read_plate_reader.py"),
    script:
        "../../scripts/read_plate_reader.py"
