# Networks for the cells of many samples: their cells gathered, trained on, looked into. Only where `cells: pan` names networks.
# REQUIRED INPUTS: what cells.smk makes of the open screens that use the network
# OUTPUTS: results/cohort/cells/{cell_network}_{scope}.safetensors, _map.svg, _networks.tsv


rule gather_cells:
    input:
        layouts=ancient(layout_files),
        labels="results/screens/{screen}/cells/labels.json",
        choice="results/screens/{screen}/cells/{cell_network}_marker.json",
        flags=of_imaged_plates("results/plates/{plate}/well_flags.parquet"),
        segmented=of_imaged_plates("results/plates/{plate}/labels.done.json"),
        cells=of_imaged_plates("results/plates/{plate}/cells.parquet"),
        crops=of_imaged_plates("results/plates/{plate}/crops.done.json"),
        index=of_imaged_plates("results/plates/{plate}/crop_index.parquet"),
    output:
        cells="results/screens/{screen}/cells/sets/{cell_network}.safetensors",
        solvent="results/screens/{screen}/cells/sets/{cell_network}_solvent.safetensors",
    log:
        "logs/screens/{screen}/cells/{cell_network}/gather_cells.log",
    benchmark:
        "results/benchmarks/screens/{screen}/cells/{cell_network}/gather_cells.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(4000),
        runtime=times_attempt(20),
    params:
        sample=sample_or_screen,
        contrast=cell_contrast,
        plates=plates_for_layout,
        incomplete=screen_setting("incomplete"),
        training_wells=training_wells("cells"),
        settings=cell_sets,
        seed=lookup(within=config, dpath="training/seed"),
        code=code_digest("gather_cells.py"),
    script:
        "../../scripts/gather_cells.py"


rule train_pan_morphology:
    input:
        pan_sets,
    output:
        model="results/cohort/cells/{cell_network}_{scope}.safetensors",
        record="results/cohort/cells/{cell_network}_{scope}.json",
        history="results/cohort/cells/{cell_network}_{scope}_history.tsv",
        samples="results/cohort/cells/{cell_network}_{scope}_samples.tsv",
    log:
        "logs/cohort/cells/train_{cell_network}_{scope}.log",
    benchmark:
        "results/benchmarks/cohort/cells/train_{cell_network}_{scope}.tsv"
    wildcard_constraints:
        scope="[a-z0-9-]+",
    conda:
        "../../envs/cells.yaml"
    threads: 2
    resources:
        mem_mb=times_attempt(16000),
        runtime=times_attempt(720),
        gpu=gpus,
        device=device,
    params:
        samples=pan_samples,
        settings=pan_settings,
        code=code_digest("train_pan_morphology.py"),
    script:
        "../../scripts/train_pan_morphology.py"


rule compare_networks:
    input:
        choices=pan_choices,
        records=pan_records,
        tables=pan_tables,
    output:
        networks=report(
            "results/cohort/cells/{cell_network}_networks.tsv",
            caption="../report/pan.rst",
            category="Cells",
            labels={"screen": "all", "figure": "networks beside each other"},
        ),
    log:
        "logs/cohort/cells/compare_{cell_network}.log",
    benchmark:
        "results/benchmarks/cohort/cells/compare_{cell_network}.tsv"
    conda:
        "../../envs/score.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(1000),
        runtime=times_attempt(10),
    params:
        screens=pan_facts,
        scopes=pan_scopes,
        code=code_digest("compare_networks.py"),
    script:
        "../../scripts/compare_networks.py"


rule map_cells:
    input:
        model="results/cohort/cells/{cell_network}_all.safetensors",
        cells=pan_solvent_sets,
    output:
        cells="results/cohort/cells/{cell_network}_map.parquet",
        tables="results/cohort/cells/{cell_network}_map.json",
        similarity=report(
            "results/cohort/cells/{cell_network}_similarity.svg",
            caption="../report/pan.rst",
            category="Cells",
            labels={"screen": "all", "figure": "similarity of samples"},
        ),
        map=report(
            "results/cohort/cells/{cell_network}_map.svg",
            caption="../report/pan.rst",
            category="Cells",
            labels={"screen": "all", "figure": "map of cells"},
        ),
    log:
        "logs/cohort/cells/map_{cell_network}.log",
    benchmark:
        "results/benchmarks/cohort/cells/map_{cell_network}.tsv"
    conda:
        "../../envs/cells.yaml"
    threads: 2
    resources:
        mem_mb=times_attempt(16000),
        runtime=times_attempt(240),
        device="cpu",
    params:
        samples=pan_samples_of_all,
        labels=pan_labels,
        seed=lookup(within=config, dpath="training/seed"),
        code=code_digest("map_cells.py"),
    script:
        "../../scripts/map_cells.py"
