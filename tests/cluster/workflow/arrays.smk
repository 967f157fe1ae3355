# Three jobs of one rule. Snakemake puts them into an array in any order: the array's first task, whichever job it
# is, takes 20 s longer than the others.


rule all:
    input:
        expand("out/{number}.txt", number=[1, 2, 3]),


rule wide:
    output:
        "out/{number}.txt",
    log:
        "logs/{number}.log",
    shell:
        "echo {wildcards.number} >> starts;"
        " if [ $SLURM_ARRAY_TASK_ID = 1 ]; then"
        "  until [ $(ls out/*.txt | wc -l) = 2 ]; do sleep 1; done; sleep 20; fi;"
        " echo done > {output} 2> {log}"
