# Architecture search for networks of single cells: a few wide jobs, each trains thousands of small networks.
# REQUIRED INPUTS: the set of cells that `search: cells` names
# OUTPUTS: results/search/nets.tsv, pareto.svg


rule search_networks:
    input:
        cells=lookup(within=config, dpath="search/cells"),
    output:
        nets="results/search/nets_{part}.parquet",
    log:
        "logs/search/search_networks_{part}.log",
    benchmark:
        "results/benchmarks/search/search_networks_{part}.tsv"
    wildcard_constraints:
        part="[0-9]+",
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(8000),
        runtime=times_attempt(1440),
        gpu=gpus,
        device=device,
    params:
        settings=lookup(within=config, dpath="search"),
        seed=lookup(within=config, dpath="training/seed"),
        code=code_digest("search_networks.py"),
    script:
        "../../scripts/search_networks.py"


rule rank_networks:
    input:
        parts=celltargets.search_parts(config),
    output:
        nets=report(
            "results/search/nets.tsv",
            caption="../report/search.rst",
            category="Architecture search",
            labels={"table": "networks"},
        ),
        figure=report(
            "results/search/pareto.svg",
            caption="../report/search.rst",
            category="Architecture search",
            labels={"table": "accuracy, time, size"},
        ),
    log:
        "logs/search/rank_networks.log",
    benchmark:
        "results/benchmarks/search/rank_networks.tsv"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=times_attempt(2000),
        runtime=times_attempt(10),
    params:
        code=code_digest("rank_networks.py"),
    script:
        "../../scripts/rank_networks.py"
