"""exvivo: from raw plates of patient cells to ranked, quality-controlled drug lists.

Run it with `snakemake --profile profiles/slurm` on a cluster, `snakemake --profile profiles/default` on
one machine. What goes in is described in config/README.md, what comes out in README.md.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/plates.smk"
include: "workflow/rules/screens.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/readouts.smk"
include: "workflow/rules/cells.smk"
include: "workflow/rules/pan.smk"
include: "workflow/rules/decisions.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/context.smk"
include: "workflow/rules/exports.smk"
include: "workflow/rules/record.smk"
include: "workflow/rules/cohort.smk"
include: "workflow/rules/search.smk"
include: "workflow/rules/outcome.smk"


rule all:
    default_target: True
    input:
        final_targets(),
