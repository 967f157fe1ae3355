# Single cells: found, cut out, called by markers and by networks that learnt from them, counted in every well.
# REQUIRED INPUTS: results/plates/{plate}/{fingerprint.tsv,admission.json,well_flags.parquet} and the layouts of the screen
# OUTPUTS: labels.zarr, cells.parquet, crops.zarr, crop_index.parquet of each plate; cells/ and readouts/ of the screen


rule segment_plate:
    input:
        fingerprint="results/plates/{plate}/fingerprint.tsv",
        admission="results/plates/{plate}/admission.json",
    output:
        labels="results/plates/{plate}/labels.done.json",
        cells="results/plates/{plate}/cells.parquet",
    log:
        "logs/plates/{plate}/segment_plate.log",
    benchmark:
        "results/benchmarks/plates/{plate}/segment_plate.tsv"
    wildcard_constraints:
        plate=raw_plates(),
    conda:
        "../../envs/cells.yaml"
    threads: 4
    resources:
        mem_mb=by_plate(2000, per_file_mb=300),
        runtime=by_plate(20, per_gb=30),
    params:
        folder=of_plate("folder"),
        channels=cell_channels,
        settings=lookup(within=config, dpath="cells/segmentation"),
        damaged_wells_limit=lookup(within=config, dpath="admission/damaged_wells_limit"),
        code=code_digest("segment_plate.py"),
    script:
        "../../scripts/segment_plate.py"


rule crop_plate:
    input:
        fingerprint="results/plates/{plate}/fingerprint.tsv",
        admission="results/plates/{plate}/admission.json",
        labels="results/plates/{plate}/labels.done.json",
        cells="results/plates/{plate}/cells.parquet",
    output:
        crops="results/plates/{plate}/crops.done.json",
        index="results/plates/{plate}/crop_index.parquet",
    log:
        "logs/plates/{plate}/crop_plate.log",
    benchmark:
        "results/benchmarks/plates/{plate}/crop_plate.tsv"
    wildcard_constraints:
        plate=raw_plates(),
    conda:
        "../../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=by_plate(1500, per_file_mb=100),
        runtime=by_plate(20, per_gb=10),
    params:
        folder=of_plate("folder"),
        channels=crop_channels,
        settings=celltargets.crop_settings(config),
        code=code_digest("crop_plate.py"),
    script:
        "../../scripts/crop_plate.py"


rule label_cells:
    input:
        layouts=ancient(layout_files),
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        segmented=of_imaged_plates("results/plates/{plate}/labels.done.json"),
        cells=of_imaged_plates("results/plates/{plate}/cells.parquet"),
    output:
        labels="results/screens/{screen}/cells/labels.json",
        plot=report(
            "results/screens/{screen}/cells/markers.svg",
            caption="../report/markers.rst",
            category="Cells",
            labels={"screen": "{screen}", "figure": "markers"},
        ),
    log:
        "logs/screens/{screen}/label_cells.log",
    benchmark:
        "results/benchmarks/screens/{screen}/label_cells.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=by_size(2000, per_input_mb=3),
        runtime=times_attempt(20),
    params:
        markers=cell_markers,
        stain=celltargets.STAIN,
        contrast=cell_contrast,
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        training_wells=training_wells("cells"),
        seed=lookup(within=config, dpath="training/seed"),
        code=code_digest("label_cells.py"),
    script:
        "../../scripts/label_cells.py"


rule train_morphology:
    input:
        labels="results/screens/{screen}/cells/labels.json",
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        segmented=of_imaged_plates("results/plates/{plate}/labels.done.json"),
        cells=of_imaged_plates("results/plates/{plate}/cells.parquet"),
        crops=of_imaged_plates("results/plates/{plate}/crops.done.json"),
        index=of_imaged_plates("results/plates/{plate}/crop_index.parquet"),
        start=cell_start,
    output:
        model="results/screens/{screen}/cells/{cell_network}/{marker}.safetensors",
        record="results/screens/{screen}/cells/{cell_network}/{marker}.json",
        history="results/screens/{screen}/cells/{cell_network}/{marker}_history.tsv",
    log:
        "logs/screens/{screen}/cells/{cell_network}/train_{marker}.log",
    benchmark:
        "results/benchmarks/screens/{screen}/cells/{cell_network}/train_{marker}.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 2
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(120),
        gpu=gpus,
        device=device,
    params:
        sample=screen_setting("sample"),
        settings=cell_training,
        code=code_digest("train_morphology.py"),
    script:
        "../../scripts/train_morphology.py"


rule choose_marker:
    input:
        labels="results/screens/{screen}/cells/labels.json",
        records=cell_records,
    output:
        choice="results/screens/{screen}/cells/{cell_network}_marker.json",
    log:
        "logs/screens/{screen}/cells/{cell_network}/choose_marker.log",
    benchmark:
        "results/benchmarks/screens/{screen}/cells/{cell_network}/choose_marker.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(5),
    params:
        code=code_digest("choose_marker.py"),
    script:
        "../../scripts/choose_marker.py"


rule predict_cells:
    input:
        crops="results/plates/{plate}/crops.done.json",
        index="results/plates/{plate}/crop_index.parquet",
        models=cell_models,
        choice="results/screens/{screen}/cells/{cell_network}_marker.json",
    output:
        calls="results/screens/{screen}/cells/{cell_network}/calls/{plate}.parquet",
    log:
        "logs/screens/{screen}/cells/{cell_network}/predict_{plate}.log",
    benchmark:
        "results/benchmarks/screens/{screen}/cells/{cell_network}/predict_{plate}.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 2
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(60),
        gpu=gpus,
        device=device,
    params:
        released=cell_released,
        code=code_digest("predict_cells.py"),
    script:
        "../../scripts/predict_cells.py"


rule count_cells:
    input:
        labels="results/screens/{screen}/cells/labels.json",
        segmented=of_imaged_plates("results/plates/{plate}/labels.done.json"),
        cells=of_imaged_plates("results/plates/{plate}/cells.parquet"),
        choice=cell_choice,
        calls=cell_calls,
    output:
        readout="results/screens/{screen}/readouts/{cell_readout}.parquet",
    log:
        "logs/screens/{screen}/count_{cell_readout}.log",
    benchmark:
        "results/benchmarks/screens/{screen}/count_{cell_readout}.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=by_size(2000, per_input_mb=3),
        runtime=times_attempt(20),
    params:
        min_cells=lookup(within=config, dpath="cells/min_cells"),
        seed=lookup(within=config, dpath="training/seed"),
        code=code_digest("count_cells.py"),
    script:
        "../../scripts/count_cells.py"
