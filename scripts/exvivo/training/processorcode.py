"""The Numba code behind `training.bottleneck`: imported only where Numba is, compiled once for a kind of processor.

Maps lie as (n, h, w, C) float32, channels last. A kernel takes its `part` of `parts` of the channels, so that every sum
over pixels is made by one thread in one order: the number of threads changes no number. Inside, rows of some channels are
flat and padded, and loops run over `block` numbers at a time: all channels of one pixel, or of a few neighbours where there are
few channels. Comparisons are written so that a not-a-number stays one.
"""

from __future__ import annotations

import numpy as np
from numba import carray, cfunc, njit, types
from numba.extending import intrinsic

_GRANULE = 16  # channels: a cache line, so that threads do not write to each other's
_BLOCK = 64  # numbers that make a loop worth its start
_FEW = 64  # pixels summed by themselves, so that a sum over a large map does not lose its last digits
_ZERO, _CAP = np.float32(0.0), np.float32(6.0)  # _CAP: of ReLU6
# `contract` allows fused multiply-add; nothing that reorders a sum or forgets a not-a-number.
_compiled = njit(nogil=True, fastmath={"contract"}, error_model="numpy", cache=True)


@_compiled
def share(channels, part, parts):
    """First and last + 1 of the channels of a part; some parts may have none."""
    granules = -(-channels // _GRANULE)
    first = granules * part // parts * _GRANULE
    last = granules * (part + 1) // parts * _GRANULE
    return min(first, channels), min(last, channels)


@_compiled
def _norm(norm, first, last):
    """Frozen normalisation of some channels as factor and summand."""
    weight, bias, mean, inverse = norm
    scale = weight[first:last] * inverse[first:last]
    return scale, bias[first:last] - mean[first:last] * scale


@_compiled
def _norm_slopes(slopes, norm, first, sums, products):
    """Gradients of weight and bias from sums over pixels of the gradient, and of it times the maps.

    The normalisation is w · inverse · x + bias − mean · w · inverse.
    """
    _, _, mean, inverse = norm
    for c in range(sums.size):
        at = first + c
        slopes[0, at] = inverse[at] * (products[c] - mean[at] * sums[c])
        slopes[1, at] = sums[c]


@_compiled
def _repeats(count, width, stride):
    """Pixels in a block."""
    repeats = 1
    while stride == 1 and 2 * repeats * count <= _BLOCK and width % (2 * repeats) == 0:
        repeats *= 2
    return repeats


@_compiled
def _taps(kernel, scale, first, side, repeats):
    """Scaled weights (side · side, repeats · channels)."""
    count = scale.size
    taps = np.empty((side * side, repeats * count), np.float32)
    for tap in range(side * side):
        for repeat in range(repeats):
            for c in range(count):
                taps[tap, repeat * count + c] = kernel[first + c, tap] * scale[c]
    return taps


@_compiled
def _activate(row, maps, first, scale, shift, left):
    """ReLU6 of the normalised pixels of one row (w, C), into a padded flat row."""
    count = scale.size
    for x in range(maps.shape[0]):
        out = row[(left + x) * count : (left + x + 1) * count]
        source = maps[x, first : first + count]
        for c in range(count):
            value = source[c] * scale[c] + shift[c]
            value = _ZERO if value < _ZERO else value
            out[c] = _CAP if value > _CAP else value


@_compiled
def _fill(ring, ready, wanted, maps, first, scale, shift, top, left):
    """Rows `ready` to `wanted` of the padded map, each into its place in the ring."""
    for number in range(ready, wanted):
        row = ring[number % ring.shape[0]]
        if top <= number < top + maps.shape[0]:
            _activate(row, maps[number - top], first, scale, shift, left)
        else:
            row[:] = _ZERO


@_compiled
def _add(out, values):
    for c in range(out.size):
        out[c] += values[c]


@_compiled
def _move(values, out):
    """Add to `out`, and begin again."""
    for c in range(out.size):
        out[c] += values[c]
        values[c] = _ZERO


@_compiled
def _add_products(out, left, right):
    for c in range(out.size):
        out[c] += left[c] * right[c]


@_compiled
def _add_three(out, row, start, step, taps, tap):
    size = out.size
    first, second, third = row[start:], row[start + step :], row[start + 2 * step :]
    for c in range(size):
        out[c] += first[c] * taps[tap, c] + second[c] * taps[tap + 1, c] + third[c] * taps[tap + 2, c]


@_compiled
def depthwise(maps, norm0, kernel, norm1, out, side, stride, top, left, part, parts):
    """ReLU6 of the normalised depthwise convolution of ReLU6 of the normalised maps.

    Args:
        maps: (n, h, w, C) before normalisation; out: (n, oh, ow, C).
        norm0, norm1: weight, bias, mean and inverse deviation (C,) of the normalisations before and after.
        kernel: (C, side · side).
        top, left: zeros before the first row and column.

    """
    first, last = share(maps.shape[3], part, parts)
    count, rows, width = last - first, out.shape[1], out.shape[2]
    if count <= 0:
        return
    scale0, shift0 = _norm(norm0, first, last)
    scale1, shift1 = _norm(norm1, first, last)
    repeats = _repeats(count, width, stride)
    block = repeats * count
    taps = _taps(kernel, scale1, first, side, repeats)
    padded = max((width - 1) * stride + side, left + maps.shape[2])
    ring = np.zeros((side, padded * count), np.float32)
    sums = np.empty(block, np.float32)
    for image in range(maps.shape[0]):
        ready = 0
        for y in range(rows):
            wanted = y * stride + side
            _fill(ring, ready, wanted, maps[image], first, scale0, shift0, top, left)
            ready = wanted
            for x in range(0, width, repeats):
                for repeat in range(repeats):
                    sums[repeat * count : (repeat + 1) * count] = shift1
                for i in range(side):
                    row = ring[(y * stride + i) % side]
                    start = x * stride * count
                    if side == 3:
                        _add_three(sums, row, start, count, taps, i * side)
                    else:
                        for j in range(side):
                            at = start + j * count
                            _add_products(sums, row[at : at + block], taps[i * side + j])
                for repeat in range(repeats):
                    target = out[image, y, x + repeat, first:last]
                    found = sums[repeat * count : (repeat + 1) * count]
                    for c in range(count):
                        value = found[c]
                        value = _ZERO if value < _ZERO else value
                        target[c] = _CAP if value > _CAP else value


@_compiled
def _pass_back(slopes, maps, first, scale, shift, left, out, sums, products):
    """Gradient of one row of maps from that of its activations; sums of it, and of it times the maps."""
    count = scale.size
    for x in range(maps.shape[0]):
        slope = slopes[(left + x) * count : (left + x + 1) * count]
        source, target = maps[x, first : first + count], out[x, first : first + count]
        for c in range(count):
            value = source[c] * scale[c] + shift[c]
            passed = _ZERO if value <= _ZERO or value >= _CAP else slope[c]
            slope[c] = passed
            target[c] = passed * scale[c]
        for c in range(count):
            sums[c] += slope[c]
            products[c] += slope[c] * source[c]


@_compiled
def depthwise_backward(
    slopes, activations, maps, norm0, kernel, norm1, out, slope0, slope_kernel, slope1, side, stride, top, left,
    part, parts,
):  # fmt: skip
    """Gradients of `depthwise`.

    Args:
        slopes: (n, oh, ow, C) of the activations, which `depthwise` gave.
        activations, maps, norm0, kernel, norm1: its result and arguments.
        out: (n, h, w, C) gradient of the maps.
        slope0, slope1: (2, C) gradients of the normalisations' weight and bias.
        slope_kernel: (C, side · side).

    """
    first, last = share(maps.shape[3], part, parts)
    count, rows, width = last - first, slopes.shape[1], slopes.shape[2]
    if count <= 0:
        return
    scale0, shift0 = _norm(norm0, first, last)
    scale1, _ = _norm(norm1, first, last)
    repeats = _repeats(count, width, stride)
    block = repeats * count
    taps = _taps(kernel, scale1, first, side, repeats)
    tap_slopes = np.zeros((side * side, block), np.float32)
    padded = max((width - 1) * stride + side, left + maps.shape[2])
    ring = np.zeros((side, padded * count), np.float32)
    back = np.zeros((side, padded * count), np.float32)
    line = np.empty(width * count, np.float32)
    sums1, products1 = np.zeros(count, np.float32), np.zeros(count, np.float32)
    sums0, products0 = np.zeros(count, np.float32), np.zeros(count, np.float32)
    # of one row, so that a sum over a large map does not lose its last digits
    row_sums, row_products = np.zeros(count, np.float32), np.zeros(count, np.float32)
    for image in range(maps.shape[0]):
        ready, done = 0, 0
        for y in range(rows):
            wanted = y * stride + side
            _fill(ring, ready, wanted, maps[image], first, scale0, shift0, top, left)
            ready = wanted
            for x in range(width):
                slope, active = slopes[image, y, x, first:last], activations[image, y, x, first:last]
                target = line[x * count : (x + 1) * count]
                for c in range(count):
                    value = active[c]
                    passed = _ZERO if value <= _ZERO or value >= _CAP else slope[c]
                    target[c] = passed
                    row_sums[c] += passed
            _move(row_sums, sums1)
            for i in range(side):
                row, row_back = ring[(y * stride + i) % side], back[(y * stride + i) % side]
                for x in range(0, width, repeats):
                    slope = line[x * count : x * count + block]
                    for j in range(side):
                        at = (x * stride + j) * count
                        _add_products(tap_slopes[i * side + j], slope, row[at : at + block])
                        _add_products(row_back[at : at + block], slope, taps[i * side + j])
            # rows that no later output touches
            finished = (y + 1) * stride if y + 1 < rows else top + maps.shape[1]
            for number in range(done, finished):
                row_back = back[number % side]
                if top <= number < top + maps.shape[1]:
                    at = number - top
                    _pass_back(
                        row_back, maps[image, at], first, scale0, shift0, left, out[image, at],
                        row_sums, row_products,
                    )  # fmt: skip
                    _move(row_sums, sums0)
                    _move(row_products, products0)
                row_back[:] = _ZERO
            done = finished
        back[:] = _ZERO
    for c in range(count):
        for tap in range(side * side):
            total = _ZERO
            for repeat in range(repeats):
                total += tap_slopes[tap, repeat * count + c]
            slope_kernel[first + c, tap] = total * scale1[c]
            products1[c] += total * kernel[first + c, tap]
    _norm_slopes(slope1, norm1, first, sums1, products1)
    _norm_slopes(slope0, norm0, first, sums0, products0)


@_compiled
def normalise(maps, norm, shortcut, out, part, parts):
    """Normalised maps (pixels, C) and a shortcut of their shape, which may be empty."""
    first, last = share(maps.shape[1], part, parts)
    scale, shift = _norm(norm, first, last)
    for pixel in range(maps.shape[0]):
        source, target = maps[pixel, first:last], out[pixel, first:last]
        for c in range(scale.size):
            target[c] = source[c] * scale[c] + shift[c]
        if shortcut.size:
            other = shortcut[pixel, first:last]
            for c in range(scale.size):
                target[c] += other[c]


@_compiled
def normalise_backward(slopes, maps, norm, out, slope, part, parts):
    """Gradients of `normalise`: `out` of the maps, `slope` (2, C) of weight and bias."""
    first, last = share(maps.shape[1], part, parts)
    scale, _ = _norm(norm, first, last)
    sums, products = np.zeros(scale.size, np.float32), np.zeros(scale.size, np.float32)
    few_sums, few_products = np.zeros(scale.size, np.float32), np.zeros(scale.size, np.float32)
    for pixel in range(maps.shape[0]):
        above, source = slopes[pixel, first:last], maps[pixel, first:last]
        target = out[pixel, first:last]
        for c in range(scale.size):
            target[c] = above[c] * scale[c]
        _add(few_sums, above)
        _add_products(few_products, above, source)
        if pixel % _FEW == _FEW - 1 or pixel == maps.shape[0] - 1:
            _move(few_sums, sums)
            _move(few_products, products)
    _norm_slopes(slope, norm, first, sums, products)


@_compiled
def pool(maps, norm, out, part, parts):
    """Mean (n, C) over the pixels of ReLU6 of the normalised maps (n, pixels, C)."""
    first, last = share(maps.shape[2], part, parts)
    scale, shift = _norm(norm, first, last)
    row = np.empty(scale.size, np.float32)
    for image in range(maps.shape[0]):
        target = out[image, first:last]
        target[:] = _ZERO
        for pixel in range(maps.shape[1]):
            _activate(row, maps[image, pixel : pixel + 1], first, scale, shift, 0)
            _add(target, row)
        for c in range(scale.size):
            target[c] /= np.float32(maps.shape[1])


@_compiled
def pool_backward(slopes, maps, norm, out, slope, part, parts):
    """Gradients of `pool` from that of the means (n, C): `out` of the maps, `slope` (2, C) of weight and bias."""
    first, last = share(maps.shape[2], part, parts)
    scale, shift = _norm(norm, first, last)
    sums, products = np.zeros(scale.size, np.float32), np.zeros(scale.size, np.float32)
    row = np.empty(scale.size, np.float32)
    for image in range(maps.shape[0]):
        for pixel in range(maps.shape[1]):
            for c in range(scale.size):
                row[c] = slopes[image, first + c] / np.float32(maps.shape[1])
            at = slice(pixel, pixel + 1)
            _pass_back(row, maps[image, at], first, scale, shift, 0, out[image, at], sums, products)
    _norm_slopes(slope, norm, first, sums, products)


@_compiled
def patches(images, out, side, stride, top, left, part, parts):
    """What each output pixel of a convolution sees: (n, h, w, C) to (n, oh, ow, side, side, C), zeros outside."""
    rows = out.shape[0] * out.shape[1]
    for number in range(rows * part // parts, rows * (part + 1) // parts):
        image, y = number // out.shape[1], number % out.shape[1]
        for x in range(out.shape[2]):
            for i in range(side):
                for j in range(side):
                    from_y, from_x = y * stride + i - top, x * stride + j - left
                    target = out[image, y, x, i, j]
                    if 0 <= from_y < images.shape[1] and 0 <= from_x < images.shape[2]:
                        source = images[image, from_y, from_x]
                        for c in range(target.size):
                            target[c] = source[c]
                    else:
                        target[:] = _ZERO


# --- entries: what every thread of a parallel region calls, with the addresses and sizes of one call ---

_thread = types.ExternalFunction("omp_get_thread_num", types.int32())
_threads = types.ExternalFunction("omp_get_num_threads", types.int32())
_WORDS = types.CPointer(types.int64)
_entry = cfunc(types.void(_WORDS), cache=True)


@intrinsic
def _pointer(context, address):
    def code(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), code


@_compiled
def _array(words, place, shape):
    return carray(_pointer(words[place]), shape, np.float32)


@_compiled
def _norm_arrays(words, place, channels):
    """Four arrays from `place` on."""
    return (
        _array(words, place, (channels,)),
        _array(words, place + 1, (channels,)),
        _array(words, place + 2, (channels,)),
        _array(words, place + 3, (channels,)),
    )


@_entry
def depthwise_entry(words):
    """n, h, w, C, oh, ow, side, stride, top, left; maps, norm0, kernel, norm1, out."""
    n, h, w, c, oh, ow, side, stride, top, left = (
        words[0], words[1], words[2], words[3], words[4], words[5], words[6], words[7], words[8], words[9],
    )  # fmt: skip
    depthwise(
        _array(words, 10, (n, h, w, c)), _norm_arrays(words, 11, c), _array(words, 15, (c, side * side)),
        _norm_arrays(words, 16, c), _array(words, 20, (n, oh, ow, c)), side, stride, top, left, _thread(), _threads(),
    )  # fmt: skip


@_entry
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


@_entry
def normalise_entry(words):
    """pixels, C, pixels of the shortcut; maps, norm, shortcut, out."""
    pixels, c, others = words[0], words[1], words[2]
    normalise(
        _array(words, 3, (pixels, c)), _norm_arrays(words, 4, c), _array(words, 8, (others, c)),
        _array(words, 9, (pixels, c)), _thread(), _threads(),
    )  # fmt: skip


@_entry
def normalise_backward_entry(words):
    """pixels, C; slopes, maps, norm, gradients of maps and norm."""
    pixels, c = words[0], words[1]
    normalise_backward(
        _array(words, 2, (pixels, c)), _array(words, 3, (pixels, c)), _norm_arrays(words, 4, c),
        _array(words, 8, (pixels, c)), _array(words, 9, (2, c)), _thread(), _threads(),
    )  # fmt: skip


@_entry
def pool_entry(words):
    """n, pixels, C; maps, norm, out."""
    n, pixels, c = words[0], words[1], words[2]
    pool(
        _array(words, 3, (n, pixels, c)), _norm_arrays(words, 4, c), _array(words, 8, (n, c)), _thread(), _threads()
    )  # fmt: skip


@_entry
def pool_backward_entry(words):
    """n, pixels, C; slopes, maps, norm, gradients of maps and norm."""
    n, pixels, c = words[0], words[1], words[2]
    pool_backward(
        _array(words, 3, (n, c)), _array(words, 4, (n, pixels, c)), _norm_arrays(words, 5, c),
        _array(words, 9, (n, pixels, c)), _array(words, 10, (2, c)), _thread(), _threads(),
    )  # fmt: skip


@_entry
def patches_entry(words):
    """n, h, w, C, oh, ow, side, stride, top, left; images, out."""
    n, h, w, c, oh, ow, side = words[0], words[1], words[2], words[3], words[4], words[5], words[6]
    patches(
        _array(words, 10, (n, h, w, c)), _array(words, 11, (n, oh, ow, side, side, c)), side, words[7], words[8],
        words[9], _thread(), _threads(),
    )  # fmt: skip
