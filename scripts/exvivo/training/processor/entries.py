"""What every thread of a parallel region calls: the kernels, on the sizes and addresses of one call.

The docstrings have their order. OpenMP says which thread it is; `processor` makes that known before it compiles them.
"""

from __future__ import annotations

import numpy as np
from numba import carray, types
from numba.extending import intrinsic

from exvivo.training.processor.depthwise import depthwise, depthwise_backward
from exvivo.training.processor.norms import inlined
from exvivo.training.processor.passes import (
    normalise,
    normalise_backward,
    patches,
    pool,
    pool_backward,
)

_thread = types.ExternalFunction("omp_get_thread_num", types.int32())
_threads = types.ExternalFunction("omp_get_num_threads", types.int32())
ENTRY = types.void(types.CPointer(types.int64))


@intrinsic
def _pointer(context, address):
    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


@inlined
def _array(words, place, shape):
    return carray(_pointer(words[place]), shape, np.float32)


@inlined
def _norm_arrays(words, place, channels):
    """Four arrays from `place` on."""
    return (
        _array(words, place, (channels,)),
        _array(words, place + 1, (channels,)),
        _array(words, place + 2, (channels,)),
        _array(words, place + 3, (channels,)),
    )


def depthwise_entry(words):
    """n, h, w, C, oh, ow, side, stride, top, left; maps, norm0, kernel, norm1, out."""
    n, h, w, c, oh, ow, side, stride, top, left = (
        words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8], words[9],
    )  # fmt: skip
    depthwise(
        _array(words, 10, (n, h, w, c)), _norm_arrays(words, 11, c), _array(words, 15, (c, side * side)),
        _norm_arrays(words, 16, c), _array(words, 20, (n, oh, ow, c)), side, stride, top, left, _thread(), _threads(),
    )  # fmt: skip


def depthwise_backward_entry(words):
    """As above; then the slopes, and the gradients of maps, norm0, kernel, norm1."""
    n, h, w, c, oh, ow, side, stride, top, left = (
        words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8], words[9],
    )  # fmt: skip
    depthwise_backward(
        _array(words, 21, (n, oh, ow, c)), _array(words, 20, (n, oh, ow, c)), _array(words, 10, (n, h, w, c)),
        _norm_arrays(words, 11, c), _array(words, 15, (c, side * side)), _norm_arrays(words, 16, c),
        _array(words, 22, (n, h, w, c)), _array(words, 23, (2, c)), _array(words, 24, (c, side * side)),
        _array(words, 25, (2, c)), side, stride, top, left, _thread(), _threads(),
    )  # fmt: skip


def normalise_entry(words):
    """pixels, C, pixels of the shortcut; maps, norm, shortcut, out."""
    pixels, c, others = words[0], words[1], words[2]
    normalise(
        _array(words, 3, (pixels, c)), _norm_arrays(words, 4, c), _array(words, 8, (others, c)),
        _array(words, 9, (pixels, c)), _thread(), _threads(),
    )  # fmt: skip


def normalise_backward_entry(words):
    """pixels, C; slopes, maps, norm, gradients of maps and norm."""
    pixels, c = words[0], words[1]
    normalise_backward(
        _array(words, 2, (pixels, c)), _array(words, 3, (pixels, c)), _norm_arrays(words, 4, c),
        _array(words, 8, (pixels, c)), _array(words, 9, (2, c)), _thread(), _threads(),
    )  # fmt: skip


def pool_entry(words):
    """n, pixels, C; maps, norm, out."""
    n, pixels, c = words[0], words[1], words[2]
    pool(
        _array(words, 3, (n, pixels, c)), _norm_arrays(words, 4, c), _array(words, 8, (n, c)), _thread(), _threads()
    )  # fmt: skip


def pool_backward_entry(words):
    """n, pixels, C; slopes, maps, norm, gradients of maps and norm."""
    n, pixels, c = words[0], words[1], words[2]
    pool_backward(
        _array(words, 3, (n, c)), _array(words, 4, (n, pixels, c)), _norm_arrays(words, 5, c),
        _array(words, 9, (n, pixels, c)), _array(words, 10, (2, c)), _thread(), _threads(),
    )  # fmt: skip


def patches_entry(words):
    """n, h, w, C, oh, ow, side, stride, top, left; images, out."""
    n, h, w, c, oh, ow, side = words[0], words[1], words[2], words[3], words[4], words[5], words[6]
    patches(
        _array(words, 10, (n, h, w, c)), _array(words, 11, (n, oh, ow, side, side, c)), side, words[7], words[8],
        words[9], _thread(), _threads(),
    )  # fmt: skip
