"""Frozen normalisation with a shortcut, pooling, and what the first convolution sees; parts as in `depthwise`."""

from __future__ import annotations

import numpy as np

from exvivo.training.processor.norms import ZERO, compiled, factors, inlined, norm_slopes, share
from exvivo.training.processor.vectors import (
    LANES,
    add,
    load,
    multiply,
    multiply_add,
    relu6,
    relu6_slope,
    store,
    zeros,
)

# Blocks summed by themselves, so that a sum over a large map does not lose its last digits.
_FEW = 64


@inlined
def _tiled(values, times):
    """Numbers of the channels of one pixel, for `times` pixels."""
    tiled = np.empty(times * values.size, np.float32)
    for number in range(tiled.size):
        tiled[number] = values[number % values.size]
    return tiled


@inlined
def _together(channels):
    """Pixels, side by side, that are whole vectors."""
    pixels = 1
    while pixels * channels % LANES:
        pixels += 1
    return pixels


@compiled
def normalise(maps, norm, shortcut, out, part, parts):
    """Normalised maps (pixels, C) and a shortcut of their shape, which may be empty."""
    pixels, channels = maps.shape
    together = _together(channels)
    scale, shift = factors(norm, 0, channels)
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


@compiled
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
    scale, _ = factors(norm, 0, channels)
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
    norm_slopes(slope, norm, first, sums[first:last], products[first:last])


@compiled
def pool(maps, norm, out, part, parts):
    """Mean (n, C) over the pixels of ReLU6 of the normalised maps (n, pixels, C), C a multiple of 16."""
    count_images, pixels, channels = maps.shape
    first, last = share(channels, part, parts)
    scale, shift = factors(norm, first, last)
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


@compiled
def pool_backward(slopes, maps, norm, out, slope, part, parts):
    """Gradients of `pool` from that of the means (n, C): `out` of the maps, `slope` (2, C) of weight and bias."""
    count_images, pixels, channels = maps.shape
    first, last = share(channels, part, parts)
    scale, shift = factors(norm, first, last)
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
    norm_slopes(slope, norm, first, sums, products)


@compiled
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
                    flat_out[target + place] = ZERO
                for place in range(begin, end):
                    flat_out[target + place] = flat[source + place]
                for place in range(end, side * channels):
                    flat_out[target + place] = ZERO
