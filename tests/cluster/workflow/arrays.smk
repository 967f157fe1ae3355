# Three jobs of one rule; the first takes 20 s longer than the others.


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
        " if [ {wildcards.number} = 1 ]; then"
        "  until [ -e out/2.txt -a -e out/3.txt ]; do sleep 1; done; sleep 20; fi;"
        " echo done > {output} 2> {log}"
