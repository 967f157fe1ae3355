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

from exvivo.training.vectors import (
    LANES,
    add,
    expect,
    load,
    multiply,
    multiply_add,
    relu6,
    relu6_slope,
    store,
    zeros,
)

_PIXELS = 4  # that share what is loaded, and keep the multipliers busy while they wait for each other
_FEW = 64  # pixels summed by themselves, so that a sum over a large map does not lose its last digits
_ZERO = np.float32(0.0)
# `contract` allows fused multiply-add; nothing that reorders a sum or forgets a not-a-number.
_options = {"nogil": True, "fastmath": {"contract"}, "error_model": "numpy", "cache": True}
_compiled = njit(**_options)
_inlined = njit(**_options, forceinline=True)


@_compiled
def share(channels, part, parts):
    """First and last + 1 of the channels of a part; some parts may have none."""
    lines = -(-channels // LANES)  # of a cache, so that threads do not write to each other's
    first, last = lines * part // parts * LANES, lines * (part + 1) // parts * LANES
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


@_inlined
def _taps(kernel, channel, scale, taps):
    """Scaled weights of sixteen channels, `taps` (side · side · 16)."""
    for tap in range(kernel.shape[1]):
        for c in range(LANES):
            taps[tap * LANES + c] = kernel[channel + c, tap]
        store(taps, tap * LANES, multiply(load(taps, tap * LANES), scale))


@_inlined
def _fill(ring, size, ready, wanted, maps, image, channel, scale, shift, top, left):
    """ReLU6 of the normalised rows `ready` to `wanted` of a padded map, each into its place in the ring."""
    _, height, width, channels = maps.shape
    flat = maps.ravel()
    for number in range(ready, wanted):
        row = number % (ring.size // size) * size
        if not top <= number < top + height:
            ring[row : row + size] = _ZERO
            continue
        source = (image * height + number - top) * width * channels + channel
        target = row + left * LANES
        for x in range(width):
            at = source + x * channels
            expect(flat, at + width * channels)
            value = multiply_add(load(flat, at), scale, shift)
            store(ring, target + x * LANES, relu6(value))


@_compiled
def depthwise(maps, norm0, kernel, norm1, out, side, stride, top, left, part, parts):
    """ReLU6 of the normalised depthwise convolution of ReLU6 of the normalised maps.

    Sixteen channels after the other, so that what a pixel and its neighbours need stays in the first cache.

    Args:
        maps: (n, h, w, C) before normalisation, C a multiple of 16; out: (n, oh, ow, C).
        norm0, norm1: weight, bias, mean and inverse deviation (C,) of the normalisations before and after.
        kernel: (C, side · side).
        top, left: zeros before the first row and column.

    """
    images, height, width, channels = out.shape
    first, last = share(channels, part, parts)
    scales0, shifts0 = _norm(norm0, first, last)
    scales1, shifts1 = _norm(norm1, first, last)
    taps = np.empty(side * side * LANES, np.float32)
    size = _padded(width, maps.shape[2], side, stride, left) * LANES
    ring = np.zeros(side * size, np.float32)
    flat, step = out.ravel(), stride * LANES
    for channel in range(first, last, LANES):
        at = channel - first
        scale0, shift0, start = load(scales0, at), load(shifts0, at), load(shifts1, at)
        _taps(kernel, channel, load(scales1, at), taps)
        for image in range(images):
            ready = 0
            for y in range(height):
                wanted = y * stride + side
                _fill(ring, size, ready, wanted, maps, image, channel, scale0, shift0, top, left)
                ready = wanted
                target = (image * height + y) * width * channels + channel
                for block in range(0, width, _PIXELS):
                    # the last block ends with the row, and makes some pixels twice
                    x = max(0, min(block, width - _PIXELS))
                    sum0 = sum1 = sum2 = sum3 = start
                    for i in range(side):
                        place = (y * stride + i) % side * size + x * step
                        for j in range(side):
                            tap = load(taps, (i * side + j) * LANES)
                            sum0 = multiply_add(load(ring, place), tap, sum0)
                            sum1 = multiply_add(load(ring, place + step), tap, sum1)
                            sum2 = multiply_add(load(ring, place + 2 * step), tap, sum2)
                            sum3 = multiply_add(load(ring, place + 3 * step), tap, sum3)
                            place += LANES
                    to = target + x * channels
                    store(flat, to, relu6(sum0))
                    if width > 1:
                        store(flat, to + channels, relu6(sum1))
                    if width > 2:
                        store(flat, to + 2 * channels, relu6(sum2))
                    if width > 3:
                        store(flat, to + 3 * channels, relu6(sum3))


@_compiled
def _padded(width, width_before, side, stride, left):
    """Pixels of a padded row that whole blocks of outputs see, or touch going back."""
    blocks = -(-(width + (side - 1) // stride) // _PIXELS) * _PIXELS
    return max((blocks - 1) * stride + side, left + width_before)


@_inlined
def _slopes_before(slopes, activations, row, channel, line, left):
    """Gradient before ReLU6 of one row, into a padded row; their sum."""
    above, active = slopes.ravel(), activations.ravel()
    width, channels = slopes.shape[2], slopes.shape[3]
    total = zeros()
    for x in range(width):
        at = (row * width + x) * channels + channel
        expect(active, at + width * channels)
        expect(above, at + width * channels)
        passed = relu6_slope(load(active, at), load(above, at))
        store(line, (left + x) * LANES, passed)
        total = add(total, passed)
    return total


@_inlined
def _tap_slope(line, start, width, ring, at, step):
    """Gradient of one weight from one row: products of slopes and what the weight has met, summed."""
    sum0 = sum1 = sum2 = sum3 = zeros()
    for _ in range(0, width, _PIXELS):
        sum0 = multiply_add(load(line, start), load(ring, at), sum0)
        sum1 = multiply_add(load(line, start + LANES), load(ring, at + step), sum1)
        sum2 = multiply_add(load(line, start + 2 * LANES), load(ring, at + 2 * step), sum2)
        sum3 = multiply_add(load(line, start + 3 * LANES), load(ring, at + 3 * step), sum3)
        start += _PIXELS * LANES
        at += _PIXELS * step
    return add(add(sum0, sum1), add(sum2, sum3))


@_inlined
def _spread(line, start, width, taps, tap, step, terms, back, at):
    """Add to every `stride`-th pixel of a row what its slopes and one row of weights send it."""
    for _ in range(0, width, _PIXELS):
        sum0, sum1 = load(back, at), load(back, at + step)
        sum2, sum3 = load(back, at + 2 * step), load(back, at + 3 * step)
        for term in range(terms):
            weight = load(taps, tap + term * step)
            slope = start - term * LANES
            sum0 = multiply_add(load(line, slope), weight, sum0)
            sum1 = multiply_add(load(line, slope + LANES), weight, sum1)
            sum2 = multiply_add(load(line, slope + 2 * LANES), weight, sum2)
            sum3 = multiply_add(load(line, slope + 3 * LANES), weight, sum3)
        store(back, at, sum0)
        store(back, at + step, sum1)
        store(back, at + 2 * step, sum2)
        store(back, at + 3 * step, sum3)
        start += _PIXELS * LANES
        at += _PIXELS * step


@_inlined
def _pass_back(back, at, maps, row, channel, scale, shift, out):
    """Gradient of one row of maps from that of its activations; sums of it, and of it times the maps."""
    source, target = maps.ravel(), out.ravel()
    width, channels = maps.shape[2], maps.shape[3]
    total = product = zeros()
    for x in range(width):
        place = (row * width + x) * channels + channel
        expect(target, place + width * channels)
        value = load(source, place)
        passed = relu6_slope(multiply_add(value, scale, shift), load(back, at + x * LANES))
        store(target, place, multiply(passed, scale))
        total = add(total, passed)
        product = multiply_add(passed, value, product)
    return total, product


@_compiled
def depthwise_backward(
    slopes, activations, maps, norm0, kernel, norm1, out, slope0, slope_kernel, slope1, side, stride, top, left,
    part, parts,
):  # fmt: skip
    """Gradients of `depthwise`. Sums over pixels are of rows first, so that a large map does not lose their last digits.

    Args:
        slopes: (n, oh, ow, C) of the activations, which `depthwise` gave.
        activations, maps, norm0, kernel, norm1: its result and arguments.
        out: (n, h, w, C) gradient of the maps.
        slope0, slope1: (2, C) gradients of the normalisations' weight and bias.
        slope_kernel: (C, side · side).

    """
    images, height, width, channels = slopes.shape
    height_before, width_before = maps.shape[1], maps.shape[2]
    first, last = share(channels, part, parts)
    scales0, shifts0 = _norm(norm0, first, last)
    scales1, _ = _norm(norm1, first, last)
    taps = np.empty(side * side * LANES, np.float32)
    tap_slopes = np.empty(taps.size, np.float32)
    step = stride * LANES
    size = _padded(width, width_before, side, stride, left) * LANES
    ring, back = np.zeros(side * size, np.float32), np.zeros(side * size, np.float32)
    reach = (side - 1) // stride  # outputs to either side that a pixel also belongs to
    line = np.zeros((2 * reach + width + 2 * _PIXELS) * LANES, np.float32)
    sums0, products0 = np.zeros(scales0.size, np.float32), np.zeros(scales0.size, np.float32)
    sums1, products1 = np.zeros(scales0.size, np.float32), np.zeros(scales0.size, np.float32)
    for channel in range(first, last, LANES):
        some = channel - first
        scale0, shift0, scale1 = load(scales0, some), load(shifts0, some), load(scales1, some)
        _taps(kernel, channel, scale1, taps)
        tap_slopes[:] = _ZERO
        total0 = total1 = product0 = zeros()
        for image in range(images):
            ready, done = 0, 0
            for y in range(height):
                wanted = y * stride + side
                _fill(ring, size, ready, wanted, maps, image, channel, scale0, shift0, top, left)
                ready = wanted
                row_sum = _slopes_before(
                    slopes, activations, image * height + y, channel, line, reach
                )
                total1 = add(total1, row_sum)
                start = reach * LANES
                for i in range(side):
                    at = (y * stride + i) % side * size
                    for j in range(side):
                        place = (i * side + j) * LANES
                        found = _tap_slope(line, start, width, ring, at + j * LANES, step)
                        store(tap_slopes, place, add(load(tap_slopes, place), found))
                    for rest in range(stride):
                        tap, terms = (i * side + rest) * LANES, (side - rest + stride - 1) // stride
                        to = at + rest * LANES
                        _spread(line, start, width + reach, taps, tap, step, terms, back, to)
                # rows that no later output touches
                finished = (y + 1) * stride if y + 1 < height else top + height_before
                for number in range(done, finished):
                    at = number % side * size
                    if top <= number < top + height_before:
                        row = image * height_before + number - top
                        row_sum, row_product = _pass_back(
                            back, at + left * LANES, maps, row, channel, scale0, shift0, out
                        )
                        total0, product0 = add(total0, row_sum), add(product0, row_product)
                    back[at : at + size] = _ZERO
                done = finished
            back[:] = _ZERO
        product1 = zeros()
        for tap in range(side * side):
            found = load(tap_slopes, tap * LANES)
            store(tap_slopes, tap * LANES, multiply(found, scale1))
            for c in range(LANES):
                slope_kernel[channel + c, tap] = tap_slopes[tap * LANES + c]
                tap_slopes[tap * LANES + c] = kernel[channel + c, tap]
            product1 = multiply_add(found, load(tap_slopes, tap * LANES), product1)
        store(sums0, some, total0)
        store(products0, some, product0)
        store(sums1, some, total1)
        store(products1, some, product1)
    _norm_slopes(slope1, norm1, first, sums1, products1)
    _norm_slopes(slope0, norm0, first, sums0, products0)


@_inlined
def _tiled(values, times):
    """Numbers of the channels of one pixel, for `times` pixels."""
    tiled = np.empty(times * values.size, np.float32)
    for number in range(tiled.size):
        tiled[number] = values[number % values.size]
    return tiled


@_inlined
def _together(channels):
    """Pixels, side by side, that are whole vectors."""
    pixels = 1
    while pixels * channels % LANES:
        pixels += 1
    return pixels


@_compiled
def normalise(maps, norm, shortcut, out, part, parts):
    """Normalised maps (pixels, C) and a shortcut of their shape, which may be empty."""
    pixels, channels = maps.shape
    together = _together(channels)
    scale, shift = _norm(norm, 0, channels)
    scale, shift = _tiled(scale, together), _tiled(shift, together)
    source, other, target = maps.ravel(), shortcut.ravel(), out.ravel()
    blocks = pixels // together
    for block in range(blocks * part // parts, blocks * (part + 1) // parts):
        for c in range(0, scale.size, LANES):
            at = block * scale.size + c
            value = multiply_add(load(source, at), load(scale, c), load(shift, c))
            if other.size:
                value = add(value, load(other, at))
            store(target, at, value)
    for at in range(blocks * scale.size, source.size if part == 0 else 0):
        value = source[at] * scale[at % channels] + shift[at % channels]
        target[at] = value + other[at] if other.size else value


@_compiled
def normalise_backward(slopes, maps, norm, out, slope, part, parts):
    """Gradients of `normalise`: `out` of the maps, `slope` (2, C) of weight and bias.

    Where a vector has numbers of several pixels, which are few maps, one part does it all.
    """
    pixels, channels = maps.shape
    together = _together(channels)
    first, last = share(channels, part, parts)
    if together > 1:
        first, last = (0, together * channels) if part == 0 else (0, 0)
    if first == last:
        return
    scale, _ = _norm(norm, 0, channels)
    scale = _tiled(scale, together)
    above, source, target = slopes.ravel(), maps.ravel(), out.ravel()
    blocks = pixels // together
    sums, products = np.zeros(scale.size, np.float32), np.zeros(scale.size, np.float32)
    for c in range(first, last, LANES):
        factor = load(scale, c)
        for begin in range(0, blocks, _FEW):
            total = product = zeros()
            for block in range(begin, min(begin + _FEW, blocks)):
                at = block * scale.size + c
                value = load(above, at)
                store(target, at, multiply(value, factor))
                total = add(total, value)
                product = multiply_add(value, load(source, at), product)
            store(sums, c, add(load(sums, c), total))
            store(products, c, add(load(products, c), product))
    if together > 1:
        for at in range(blocks * scale.size, source.size):
            target[at] = above[at] * scale[at % channels]
            sums[at % channels] += above[at]
            products[at % channels] += above[at] * source[at]
        for c in range(channels, scale.size):
            sums[c % channels] += sums[c]
            products[c % channels] += products[c]
        last = channels
    _norm_slopes(slope, norm, first, sums[first:last], products[first:last])


@_compiled
def pool(maps, norm, out, part, parts):
    """Mean (n, C) over the pixels of ReLU6 of the normalised maps (n, pixels, C), C a multiple of 16."""
    count_images, pixels, channels = maps.shape
    first, last = share(channels, part, parts)
    scale, shift = _norm(norm, first, last)
    flat = maps.ravel()
    for image in range(count_images):
        means = out[image, first:last]
        for c in range(0, scale.size, LANES):
            total = zeros()
            for pixel in range(pixels):
                value = load(flat, (image * pixels + pixel) * channels + first + c)
                total = add(total, relu6(multiply_add(value, load(scale, c), load(shift, c))))
            store(means, c, total)
        for c in range(means.size):
            means[c] /= np.float32(pixels)


@_compiled
def pool_backward(slopes, maps, norm, out, slope, part, parts):
    """Gradients of `pool` from that of the means (n, C): `out` of the maps, `slope` (2, C) of weight and bias."""
    count_images, pixels, channels = maps.shape
    first, last = share(channels, part, parts)
    scale, shift = _norm(norm, first, last)
    sums, products = np.zeros(scale.size, np.float32), np.zeros(scale.size, np.float32)
    source, target = maps.ravel(), out.ravel()
    for image in range(count_images):
        above = slopes[image, first:last] / np.float32(pixels)
        for c in range(0, scale.size, LANES):
            factor = load(scale, c)
            for pixel in range(pixels):
                place = (image * pixels + pixel) * channels + first + c
                value = load(source, place)
                passed = relu6_slope(multiply_add(value, factor, load(shift, c)), load(above, c))
                store(target, place, multiply(passed, factor))
                store(sums, c, add(load(sums, c), passed))
                store(products, c, multiply_add(passed, value, load(products, c)))
    _norm_slopes(slope, norm, first, sums, products)


@_compiled
def patches(images, out, side, stride, top, left, part, parts):
    """What each output pixel of a convolution sees: (n, h, w, C) to (n, oh, ow, side, side, C), zeros outside."""
    flat, flat_out = images.ravel(), out.ravel()
    rows, width, channels = out.shape[0] * out.shape[1], out.shape[2], images.shape[3]
    for number in range(rows * part // parts, rows * (part + 1) // parts):
        image, y = number // out.shape[1], number % out.shape[1]
        for x in range(width):
            for i in range(side):
                row, column = y * stride + i - top, x * stride - left
                target = (((number * width + x) * side) + i) * side * channels
                source = ((image * images.shape[1] + row) * images.shape[2] + column) * channels
                inside = 0 <= row < images.shape[1]
                # pixels of one row lie side by side in both
                begin = max(0, -column) * channels if inside else side * channels
                end = min(side, images.shape[2] - column) * channels if inside else side * channels
                for place in range(begin):
                    flat_out[target + place] = _ZERO
                for place in range(begin, end):
                    flat_out[target + place] = flat[source + place]
                for place in range(end, side * channels):
                    flat_out[target + place] = _ZERO


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
