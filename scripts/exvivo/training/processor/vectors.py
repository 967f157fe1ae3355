"""Sixteen float32 numbers as one value in Numba code, so that a loop over channels is vector code whatever the compiler guesses.

Numba cannot be told that two arrays do not overlap, and checks it before every short loop, which costs more than the loop. A
vector says it without words: all is read before anything is written. Where a processor's registers are shorter than sixteen
numbers, LLVM uses several.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES = 16  # a cache line
CAP = 6.0  # of ReLU6
_IR = ir.VectorType(ir.FloatType(), LANES)


class _VectorType(types.Type):
    def __init__(self):
        super().__init__(name="Float32x16")


_vector = _VectorType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager, kind):
        super().__init__(manager, kind, _IR)


def _constant(value):
    return ir.Constant(_IR, [float(value)] * LANES)


def _place(context, builder, kind, array, index):
    """Address of sixteen numbers from `index` of a flat array on."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.PointerType(_IR))


@intrinsic
def load(context, array, index):
    """Sixteen numbers of a flat float32 array from `index` on."""

    def code(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments)
        return builder.load(place, align=4)

    return _vector(array, types.intp), code


@intrinsic
def store(context, array, index, values):
    """Write sixteen numbers."""

    def code(context, builder, signature, arguments):
        place = _place(context, builder, signature.args[0], *arguments[:2])
        builder.store(arguments[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, _vector), code


@intrinsic
def expect(context, array, index):
    """Have the cache line at `index` of a flat array brought along: it is read or written soon. It need not exist."""

    def code(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        place = builder.bitcast(builder.gep(data, [arguments[1]]), ir.PointerType(ir.IntType(8)))
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # to read, into the second cache, data
        builder.call(function, [place, number(0), number(2), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), code


@intrinsic
def zeros(context):
    """Sixteen zeros."""
    return _vector(), lambda context, builder, signature, arguments: _constant(0.0)


@intrinsic
def add(context, left, right):
    """Sum."""

    def code(context, builder, signature, arguments):
        return builder.fadd(*arguments)

    return _vector(_vector, _vector), code


@intrinsic
def multiply(context, left, right):
    """Product."""

    def code(context, builder, signature, arguments):
        return builder.fmul(*arguments)

    return _vector(_vector, _vector), code


@intrinsic
def multiply_add(context, left, right, summand):
    """`left * right + summand`, in one operation where the processor has it."""

    def code(context, builder, signature, arguments):
        kind = ir.FunctionType(_IR, [_IR] * 3)
        name = f"llvm.fmuladd.v{LANES}f32"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, arguments)

    return _vector(_vector, _vector, _vector), code


@intrinsic
def relu6(context, values):
    """Between 0 and 6; a not-a-number stays one."""

    def code(context, builder, signature, arguments):
        low, high = _constant(0.0), _constant(CAP)
        value = builder.select(builder.fcmp_ordered("<", arguments[0], low), low, arguments[0])
        return builder.select(builder.fcmp_ordered(">", value, high), high, value)

    return _vector(_vector), code


@intrinsic
def relu6_slope(context, values, slopes):
    """`slopes` where ReLU6 of `values` rises; a not-a-number lets them through, as in PyTorch."""

    def code(context, builder, signature, arguments):
        values, slopes = arguments
        below = builder.fcmp_ordered("<=", values, _constant(0.0))
        above = builder.fcmp_ordered(">=", values, _constant(CAP))
        return builder.select(builder.or_(below, above), _constant(0.0), slopes)

    return _vector(_vector, _vector), code
