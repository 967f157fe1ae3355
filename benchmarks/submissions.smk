# The shape of a night without its work: the rules of the workflow that profiles/slurm groups, one second each.

SCREENS = range(int(config["screens"]))
PLATES = range(3)


rule all:
    input:
        expand("screens/{screen}/report", screen=SCREENS),


rule admit_plate:
    output:
        "plates/{plate}/admission",
    shell:
        "sleep 1; touch {output}"


rule project_plate:
    input:
        "plates/{plate}/admission",
    output:
        "plates/{plate}/wells",
    shell:
        "sleep 1; touch {output}"


rule train_phase2:
    input:
        expand("plates/{{screen}}_{plate}/wells", plate=PLATES),
    output:
        "screens/{screen}/phase2",
    shell:
        "sleep 1; touch {output}"


rule crossfit_controls:
    input:
        expand("plates/{{screen}}_{plate}/wells", plate=PLATES),
    output:
        "screens/{screen}/crossfit",
    shell:
        "sleep 1; touch {output}"


rule predict_screen:
    input:
        "screens/{screen}/phase{phase}",
    output:
        "screens/{screen}/viability{phase}",
    shell:
        "sleep 1; touch {output}"


rule train_phase3:
    input:
        "screens/{screen}/viability2",
    output:
        "screens/{screen}/phase3",
    shell:
        "sleep 1; touch {output}"


rule check_screen:
    input:
        expand("plates/{{screen}}_{plate}/wells", plate=PLATES),
    output:
        "screens/{screen}/admission",
    shell:
        "sleep 1; touch {output}"


rule score_screen:
    input:
        "screens/{screen}/admission",
        "screens/{screen}/viability2",
        "screens/{screen}/viability3",
    output:
        "screens/{screen}/scores",
    shell:
        "sleep 1; touch {output}"


rule assess_screen:
    input:
        "screens/{screen}/scores",
        "screens/{screen}/crossfit",
    output:
        "screens/{screen}/quality",
    shell:
        "sleep 1; touch {output}"


rule report_screen:
    input:
        "screens/{screen}/quality",
    output:
        "screens/{screen}/report",
    shell:
        "sleep 1; touch {output}"
