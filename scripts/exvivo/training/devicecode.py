"""The Triton code behind `training.kernels`: imported only where there is Triton and a GPU to run it on.

Pointers are to contiguous memory; images lie as (n · h · w, C). Each program writes its own block and its own row of partial
sums, so that no order of execution changes a number.
"""

# Triton reads the source: its types are not Python's, and its arguments are pointers and numbers.
import triton
import triton.language as tl


@triton.jit
def adam_step(weight, mean, square, place, inside, slope, rate, beta1, beta2, epsilon):
    """Adam at some places in memory; the new weights."""
    # Nothing reads these again before the next step: they must not push the activations out of the cache.
    first = tl.load(mean + place, inside, other=0.0, eviction_policy="evict_first")
    second = tl.load(square + place, inside, other=0.0, eviction_policy="evict_first")
    value = tl.load(weight + place, inside, other=0.0, eviction_policy="evict_first")
    first += (1.0 - beta1) * (slope - first)
    second = beta2 * second + (1.0 - beta2) * slope * slope
    value -= tl.load(rate) * first / (tl.sqrt(second) + epsilon)
    tl.store(mean + place, first, inside, eviction_policy="evict_first")
    tl.store(square + place, second, inside, eviction_policy="evict_first")
    tl.store(weight + place, value, inside, eviction_policy="evict_first")
    return value


@triton.jit
def outer_adam(
    weight, mean, square, gradient, input, rate, outputs, inputs, beta1, beta2, epsilon,
    IMAGES: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr,
):  # fmt: skip
    """See `kernels.outer_adam`."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    column = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    inside = (row < outputs)[:, None] & (column < inputs)[None, :]
    slope = tl.zeros((ROWS, COLUMNS), tl.float32)
    for image in tl.static_range(IMAGES):
        left = tl.load(gradient + image * outputs + row, row < outputs, other=0.0)
        right = tl.load(input + image * inputs + column, column < inputs, other=0.0)
        slope += left[:, None] * right[None, :]
    place = row.to(tl.int64)[:, None] * inputs + column[None, :]
    adam_step(weight, mean, square, place, inside, slope, rate, beta1, beta2, epsilon)


@triton.jit
def adam(
    weight, mean, square, gradient, copy, rate, count, beta1, beta2, epsilon,
    COPY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """See `kernels.adam`."""
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    inside = place < count
    slope = tl.load(gradient + place, inside, other=0.0).to(tl.float32)
    value = adam_step(weight, mean, square, place, inside, slope, rate, beta1, beta2, epsilon)
    if COPY:
        tl.store(copy + place, value, inside)


@triton.jit
def bias_adam(
    bias, mean, square, sums, copy, rate, channels, beta1, beta2, epsilon,
    COPY: tl.constexpr, PARTS: tl.constexpr, AT_ONCE: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """See `kernels.bias_adam`."""
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    inside = channel < channels
    part = tl.arange(0, AT_ONCE)
    total = tl.zeros((AT_ONCE, CHANNELS), tl.float32)
    for begin in range(0, PARTS, AT_ONCE):
        both = ((begin + part) < PARTS)[:, None] & inside[None, :]
        place = (begin + part)[:, None] * channels + channel[None, :]
        total += tl.load(sums + place, both, other=0.0)
    slope = tl.sum(total, axis=0)
    value = adam_step(bias, mean, square, channel, inside, slope, rate, beta1, beta2, epsilon)
    if COPY:
        tl.store(copy + channel, value, inside)


@triton.jit
def relu_backward(
    gradient, output, found, sums, pixels, channels,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, TIMES: tl.constexpr,
):  # fmt: skip
    """See `kernels.relu_backward`."""
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for turn in tl.static_range(TIMES):
        pixel = (tl.program_id(0) * TIMES + turn) * PIXELS + tl.arange(0, PIXELS)
        inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        place = pixel[:, None] * channels + channel[None, :]
        slope = tl.load(gradient + place, inside, other=0.0)
        active = tl.load(output + place, inside, other=0.0) > 0
        slope = tl.where(active, slope, 0.0)
        tl.store(found + place, slope, inside)
        total += slope.to(tl.float32)
    place = tl.program_id(0) * channels + channel
    tl.store(sums + place, tl.sum(total, axis=0), channel < channels)


@triton.jit
def corner(pixel, width, channels):
    """Place of the upper left of four pixels; `width` is that of the large image, whose height is even."""
    half = width // 2
    return ((pixel // half) * (2 * width) + (pixel % half) * 2) * channels


@triton.jit
def pool(output, small, pixels, width, channels, PIXELS: tl.constexpr, CHANNELS: tl.constexpr):
    """See `kernels.pool`."""
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
    first = output + corner(pixel, width, channels)[:, None] + channel[None, :]
    top = tl.maximum(
        tl.load(first, inside, other=0.0), tl.load(first + channels, inside, other=0.0)
    )
    below = first + width * channels
    bottom = tl.maximum(
        tl.load(below, inside, other=0.0), tl.load(below + channels, inside, other=0.0)
    )
    place = pixel[:, None] * channels + channel[None, :]
    tl.store(small + place, tl.maximum(top, bottom), inside)


@triton.jit
def pool_relu_backward(
    gradient, output, found, sums, pixels, width, channels,
    PIXELS: tl.constexpr, CHANNELS: tl.constexpr, TIMES: tl.constexpr,
):  # fmt: skip
    """See `kernels.pool_relu_backward`."""
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    total = tl.zeros((PIXELS, CHANNELS), tl.float32)
    for turn in tl.static_range(TIMES):
        pixel = (tl.program_id(0) * TIMES + turn) * PIXELS + tl.arange(0, PIXELS)
        inside = (pixel < pixels)[:, None] & (channel < channels)[None, :]
        place = pixel[:, None] * channels + channel[None, :]
        slope = tl.load(gradient + place, inside, other=0.0)
        first = corner(pixel, width, channels)[:, None] + channel[None, :]
        below = first + width * channels
        a = tl.load(output + first, inside, other=0.0)
        b = tl.load(output + first + channels, inside, other=0.0)
        c = tl.load(output + below, inside, other=0.0)
        d = tl.load(output + below + channels, inside, other=0.0)
        most = tl.maximum(tl.maximum(a, b), tl.maximum(c, d))
        slope = tl.where(most > 0, slope, 0.0)
        not_a = a != most
        not_b = not_a & (b != most)
        not_c = not_b & (c != most)
        tl.store(found + first, tl.where(not_a, 0.0, slope), inside)
        tl.store(found + first + channels, tl.where(not_a & (b == most), slope, 0.0), inside)
        tl.store(found + below, tl.where(not_b & (c == most), slope, 0.0), inside)
        tl.store(found + below + channels, tl.where(not_c, slope, 0.0), inside)
        total += slope.to(tl.float32)
    place = tl.program_id(0) * channels + channel
    tl.store(sums + place, tl.sum(total, axis=0), channel < channels)
