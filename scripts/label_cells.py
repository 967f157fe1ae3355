"""Which cells of a screen are whole, and what each marker calls them.

Outputs
    `labels` (JSON)   limits of whole cells, from the negative controls; for each marker its mixture of two Gaussians and
                      threshold (log10 grey values above the local background), or why it cannot label cells
    `plot` (SVG)      for each marker its intensities, the two Gaussians and the threshold
"""

from pathlib import Path

from exvivo.cells.gather import segmented_plates
from exvivo.cells.label import label_cells
from exvivo.cells.plot import plot_markers
from exvivo.files import write_json, write_text
from exvivo.inspection.flags import excluded_wells, read_flags
from exvivo.log import start_script
from exvivo.readiness import imaged_layout
from exvivo.sheets.layouts import wells_of_side


def main(*, ready, flags, plates, markers, stain, contrast, seed, labels, plot):
    """Write labels and plot of one screen; a layout that cannot be read holds the screen elsewhere, here it labels nothing."""
    solvent = wells_of_side(ready.layout, contrast, "negative")
    how = {"stain": stain, "excluded": excluded_wells(read_flags(flags)), "seed": seed}
    found, seen = label_cells(plates, solvent, markers, **how)
    write_text(plot, plot_markers(found, seen))
    write_json(labels, found.to_json())


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        ready=imaged_layout(
            snakemake.input.segmented,
            snakemake.params.plates,
            Path.cwd(),
            snakemake.params.incomplete,
        ),
        flags=snakemake.input.flags,
        plates=segmented_plates(snakemake.input.segmented, snakemake.input.cells),
        markers=snakemake.params.markers,
        stain=snakemake.params.stain,
        contrast=snakemake.params.contrast,
        seed=snakemake.params.seed,
        labels=snakemake.output.labels,
        plot=snakemake.output.plot,
    )
