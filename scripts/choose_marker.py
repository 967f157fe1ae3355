"""Choose the marker whose network calls the cells of a screen: the one that trains best.

Output `choice` (JSON): marker, reason, accuracy of each network in training
"""

from exvivo.cells.choose import choose_marker
from exvivo.cells.label import Labels
from exvivo.files import write_json
from exvivo.log import start_script

if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    labels = Labels.read(snakemake.input.labels)
    write_json(snakemake.output.choice, choose_marker(labels, snakemake.input.get("records", [])))
