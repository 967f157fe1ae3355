"""What the kernels share: how Numba compiles them, which channels a thread has, frozen normalisations."""

from __future__ import annotations

import numpy as np
from numba import njit

from exvivo.training.processor.vectors import LANES

ZERO = np.float32(0.0)
# `contract` allows fused multiply-add; nothing that reorders a sum or forgets a not-a-number.
# Only kernels call these, never Python.
_options = {
    "fastmath": {"contract"},
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
compiled = njit(**_options)
inlined = njit(**_options, forceinline=True)


@compiled
def share(channels, part, parts):
    """First and last + 1 of the channels of a part; some parts may have none."""
    lines = -(-channels // LANES)  # of a cache, so that threads do not write to each other's
    first, last = lines * part // parts * LANES, lines * (part + 1) // parts * LANES
    return min(first, channels), min(last, channels)


@compiled
def factors(norm, first, last):
    """Frozen normalisation of some channels as factor and summand."""
    weight, bias, mean, inverse = norm
    scale = weight[first:last] * inverse[first:last]
    return scale, bias[first:last] - mean[first:last] * scale


@compiled
def norm_slopes(slopes, norm, first, sums, products):
    """Gradients of weight and bias from sums over pixels of the gradient, and of it times the maps.

    The normalisation is w · inverse · x + bias − mean · w · inverse.
    """
    _, _, mean, inverse = norm
    for c in range(sums.size):
        at = first + c
        slopes[0, at] = inverse[at] * (products[c] - mean[at] * sums[c])
        slopes[1, at] = sums[c]
