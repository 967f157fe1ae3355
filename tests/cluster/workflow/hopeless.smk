# Jobs that fail as often as they are tried, under the names that the workflow has, and what it says of them.


include: config["code"] + "/workflow/rules/outcome.smk"


rule all:
    input:
        "results/plates/P1/wells.done.json",
        "results/plates/P2/wells.done.json",
        "results/screens/S1/report.html",


rule admit_plate:
    output:
        "results/plates/{plate}/admission.json",
    log:
        "logs/plates/{plate}/admit_plate.log",
    group:
        "plate"
    shell:
        "echo admitted > {output} 2> {log}"


rule project_plate:  # P1 needs more memory than it ever gets
    input:
        "results/plates/{plate}/admission.json",
    output:
        "results/plates/{plate}/wells.done.json",
    log:
        "logs/plates/{plate}/project_plate.log",
    group:
        "plate"
    resources:
        mem_mb=lambda wildcards, attempt: 1000 * attempt,
    shell:
        "[ {wildcards.plate} = P2 ] ||"
        " python -c 'import time; held = bytearray(b\"x\") * 2200000000; time.sleep(20)' 2> {log};"
        " echo projected > {output}"


rule report_screen:  # never ends; its time is over at once, so that nobody waits for it
    output:
        "results/screens/{screen}/report.html",
    log:
        "logs/screens/{screen}/report_screen.log",
    resources:
        runtime=lambda wildcards, attempt: attempt,
    shell:
        "scontrol update jobid=$SLURM_JOB_ID EndTime=now+1 > {log} 2>&1; sleep 1000; touch {output}"
