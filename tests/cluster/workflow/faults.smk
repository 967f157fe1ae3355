# Jobs that a test does something to. Each waits at its first start, after it has written where it runs, and
# goes through at its second; `{name}.starts` counts. One waits only until the scheduler is away.


wildcard_constraints:
    name="[a-z]+",


rule all:
    input:
        expand("out/{name}.txt", name=config["names"].split(",")),


rule wait_on_cpu:
    output:
        "out/{name}.txt",
    log:
        "logs/{name}.log",
    threads: lambda wildcards: 4 if wildcards.name == "lost" else 1  # 4: a node of its own
    shell:
        "echo $SLURM_JOB_ID >> {wildcards.name}.starts;"
        " [ -e {wildcards.name}.started ] || {{"
        "  echo $SLURM_JOB_ID $SLURMD_NODENAME > {wildcards.name}.started;"
        "  until [ {wildcards.name} = outlives -a -e scheduler.away ]; do sleep 1; done; }};"
        " echo job=$SLURM_JOB_ID > {output} 2> {log}"


use rule wait_on_cpu as wait_on_gpu with:
    output:
        "out/gpu/{name}.txt",
    log:
        "logs/gpu_{name}.log",
    resources:
        gpu=1,
        slurm_partition="gpu",


rule late:  # its output is there three seconds after its job has ended well
    output:
        "out/late.txt",
    log:
        "logs/late.log",
    shell:
        "echo $SLURM_JOB_ID >> late.starts; (sleep 3; echo job=late > {output}) > {log} 2>&1 &"


ruleorder: late > wait_on_cpu
