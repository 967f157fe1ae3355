"""Depthwise convolution with the norm and ReLU6 before and after it, forward and backward.

Maps lie as (n, h, w, C) float32, channels last. A thread takes its `part` of `parts` of the channels, so that every sum
over pixels is made by one thread in one order: the number of threads changes no number. It takes sixteen channels after
the other, rows of which it keeps in a small ring: what a pixel and its neighbours need stays in the first cache.
"""

from __future__ import annotations

import numpy as np

from exvivo.training.processor.norms import ZERO, compiled, factors, inlined, norm_slopes, share
from exvivo.training.processor.vectors import (
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

# Pixels that share what is loaded, and keep the multipliers busy while they wait for each other.
_PIXELS = 4


@inlined
def _taps(kernel, channel, scale, taps):
    """Scaled weights of sixteen channels, `taps` (side · side · 16)."""
    for tap in range(kernel.shape[1]):
        for c in range(LANES):
            taps[tap * LANES + c] = kernel[channel + c, tap]
        store(taps, tap * LANES, multiply(load(taps, tap * LANES), scale))


@inlined
def _fill(ring, size, ready, wanted, maps, image, channel, scale, shift, top, left):
    """ReLU6 of the normalised rows `ready` to `wanted` of a padded map, each into its place in the ring."""
    _, height, width, channels = maps.shape
    flat = maps.ravel()
    for number in range(ready, wanted):
        row = number % (ring.size // size) * size
        if not top <= number < top + height:
            ring[row : row + size] = ZERO
            continue
        source = (image * height + number - top) * width * channels + channel
        target = row + left * LANES
        for x in range(width):
            at = source + x * channels
            expect(flat, at + width * channels)
            value = multiply_add(load(flat, at), scale, shift)
            store(ring, target + x * LANES, relu6(value))


@compiled
def depthwise(maps, norm0, kernel, norm1, out, side, stride, top, left, part, parts):
    """ReLU6 of the normalised depthwise convolution of ReLU6 of the normalised maps.

    maps: (n, h, w, C) before normalisation, C a multiple of 16; norm0, norm1: weight, bias, mean and inverse deviation
    (C,) of the normalisations before and after; kernel: (C, side · side); out: (n, oh, ow, C); top, left: zeros before
    the first row and column.
    """
    images, height, width, channels = out.shape
    first, last = share(channels, part, parts)
    scales0, shifts0 = factors(norm0, first, last)
    scales1, shifts1 = factors(norm1, first, last)
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


@compiled
def _padded(width, width_before, side, stride, left):
    """Pixels of a padded row that whole blocks of outputs see, or touch going back."""
    blocks = -(-(width + (side - 1) // stride) // _PIXELS) * _PIXELS
    return max((blocks - 1) * stride + side, left + width_before)


@inlined
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


@inlined
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


@inlined
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


@inlined
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


@inlined
def _row_back(line, width, ring, back, size, y, taps, tap_slopes, side, stride):
    """What one row of slopes gives the weights, and the rows of activations that it came from."""
    reach, step = (side - 1) // stride, stride * LANES
    start = reach * LANES
    for i in range(side):
        at = (y * stride + i) % side * size
        for j in range(side):
            place = (i * side + j) * LANES
            found = _tap_slope(line, start, width, ring, at + j * LANES, step)
            store(tap_slopes, place, add(load(tap_slopes, place), found))
        for rest in range(stride):
            tap, terms = (i * side + rest) * LANES, (side - rest + stride - 1) // stride
            _spread(line, start, width + reach, taps, tap, step, terms, back, at + rest * LANES)


@inlined
def _finish_taps(tap_slopes, kernel, channel, scale, out):
    """Gradients of the weights before they were scaled, and their products with the weights, summed."""
    total, weights = zeros(), np.empty(LANES, np.float32)
    for tap in range(kernel.shape[1]):
        found = load(tap_slopes, tap * LANES)
        for c in range(LANES):
            weights[c] = kernel[channel + c, tap]
        total = multiply_add(found, load(weights, 0), total)
        store(weights, 0, multiply(found, scale))
        for c in range(LANES):
            out[channel + c, tap] = weights[c]
    return total


@compiled
def depthwise_backward(
    slopes, activations, maps, norm0, kernel, norm1, out, slope0, slope_kernel, slope1, side, stride, top, left,
    part, parts,
):  # fmt: skip
    """Gradients of `depthwise`. Sums over pixels are of rows first, so that a large map does not lose their last digits.

    slopes: (n, oh, ow, C) of the activations, which `depthwise` gave; activations, maps, norm0, kernel, norm1: its result
    and arguments; out: (n, h, w, C) gradient of the maps; slope0, slope1: (2, C) gradients of the normalisations' weight
    and bias; slope_kernel: (C, side · side).
    """
    images, height, width, channels = slopes.shape
    before, width_before = maps.shape[1], maps.shape[2]
    first, last = share(channels, part, parts)
    scales0, shifts0 = factors(norm0, first, last)
    scales1, _ = factors(norm1, first, last)
    taps = np.empty(side * side * LANES, np.float32)
    tap_slopes = np.empty(taps.size, np.float32)
    size = _padded(width, width_before, side, stride, left) * LANES
    ring, back = np.zeros(side * size, np.float32), np.zeros(side * size, np.float32)
    reach = (side - 1) // stride  # outputs to either side that a pixel also belongs to
    line = np.zeros((2 * reach + width + 2 * _PIXELS) * LANES, np.float32)
    sums0, products0, sums1, products1 = np.zeros((4, last - first), np.float32)
    for channel in range(first, last, LANES):
        at = channel - first
        scale0, shift0, scale1 = load(scales0, at), load(shifts0, at), load(scales1, at)
        _taps(kernel, channel, scale1, taps)
        tap_slopes[:] = ZERO
        sum0 = product0 = sum1 = zeros()
        for image in range(images):
            ready, done = 0, 0
            for y in range(height):
                wanted = y * stride + side
                _fill(ring, size, ready, wanted, maps, image, channel, scale0, shift0, top, left)
                ready, row = wanted, image * height + y
                sum1 = add(sum1, _slopes_before(slopes, activations, row, channel, line, reach))
                _row_back(line, width, ring, back, size, y, taps, tap_slopes, side, stride)
                # rows that no later output touches
                finished = (y + 1) * stride if y + 1 < height else top + before
                for number in range(done, finished):
                    place, row = number % side * size, image * before + number - top
                    if top <= number < top + before:
                        some, product = _pass_back(
                            back, place + left * LANES, maps, row, channel, scale0, shift0, out
                        )
                        sum0, product0 = add(sum0, some), add(product0, product)
                    back[place : place + size] = ZERO
                done = finished
            back[:] = ZERO
        store(products1, at, _finish_taps(tap_slopes, kernel, channel, scale1, slope_kernel))
        store(sums0, at, sum0)
        store(products0, at, product0)
        store(sums1, at, sum1)
    norm_slopes(slope1, norm1, first, sums1, products1)
    norm_slopes(slope0, norm0, first, sums0, products0)
