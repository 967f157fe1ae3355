"""Inside the networks for cells: what the latent space holds, of biology and of the microscope.

Heinemann et al. 2022, Results and Methods: 1,000 cells per class and sample from solvent wells, activations of the last dense
layer, 20 principal components; similarities of samples, neighbourhoods, clusters, maps, and what a pixel does to a call.
What the paper leaves open is ours and said where it stands. Everything runs in bounded memory for 350,000 cells.
"""

from exvivo.embedding.neighbours import Enrichment, enrichment
from exvivo.embedding.similarity import Similarity, similarity
from exvivo.embedding.space import LatentSpace, draw_rows, fit_space

__all__ = ["Enrichment", "LatentSpace", "Similarity", "draw_rows", "enrichment", "fit_space", "similarity"]  # fmt: skip
