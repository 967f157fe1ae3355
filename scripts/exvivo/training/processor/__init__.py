"""Own kernels of a training step on a CPU, run by the threads that PyTorch has already.

PyTorch's passes over the activations of one image each wait for memory, and its depthwise convolutions backward use little
of a processor. The modules here have kernels that do several passes in one, compiled by Numba for the processor they run
on. They run inside PyTorch's own OpenMP team: a second team would wait for processors on which the first still spins.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from exvivo.files import digest_bytes, write_text
from exvivo.training.processor.trial import disagreement

logger = logging.getLogger(__name__)


@cache
def available() -> bool:
    """Whether the kernels run here: Numba is there, PyTorch's OpenMP can be found, and they give the right numbers.

    All are compiled. Without them training goes the plain way, and says so.
    """
    try:
        reason = disagreement(prepared)
    except Exception as error:  # noqa: BLE001 - whatever keeps Numba from starting, training can do without
        reason = f"{type(error).__name__}: {error}"
    if reason is not None:
        logger.warning("training goes on without its own kernels, slower: %s", reason)
    return reason is None


def compiler() -> str:
    """What compiled the kernels, and for which processor."""
    import llvmlite
    import numba
    from llvmlite import binding

    return (
        f"numba {numba.__version__}, llvmlite {llvmlite.__version__}, {binding.get_host_cpu_name()}"
    )


def prepared(kernel: str, *values: Tensor | int) -> Callable[[], None]:
    """A call of a kernel of `entries` on sizes and float32 tensors, in the order of its entry's docstring.

    Nothing is checked: the tensors must lie in memory as the kernel reads them, and stay there until the last call. The
    number of threads is PyTorch's now.
    """
    words = np.array([v if isinstance(v, int) else v.data_ptr() for v in values], dtype=np.int64)
    entry, begin = _entry(kernel).address, _openmp().GOMP_parallel
    address, threads = words.ctypes.data, torch.get_num_threads()

    def call(_held: tuple = (words, values)) -> None:  # what the addresses point to
        begin(entry, address, threads, 0)

    return call


@cache
def _entry(kernel: str) -> Any:
    """A kernel compiled now or, by any process with the same code, before."""
    import numba
    from llvmlite import binding

    for name in ("omp_get_thread_num", "omp_get_num_threads"):
        address = ctypes.cast(getattr(_openmp(), name), ctypes.c_void_p).value
        binding.add_symbol(name, address)
    from exvivo.training.processor import entries

    function = getattr(entries, f"{kernel}_entry")
    place = _stand_in()
    if place is not None:
        code = function.__code__.replace(co_filename=str(place))
        function = FunctionType(code, function.__globals__, function.__name__)
    try:
        return numba.cfunc(entries.ENTRY, cache=place is not None)(function)
    except OSError as error:
        logger.info("compiled kernels are not kept: %s", error)
        return numba.cfunc(entries.ENTRY)(function)


@cache
def _stand_in() -> Path | None:
    """A file in the user's cache folder beside which Numba keeps compiled kernels; None where none can be written.

    Numba keeps what it compiled by the path and age of one source file, in an index that two processes may not write at
    once. This file stands for all files here, and its folder is named by their content and by the processor: changed
    code is compiled anew, a copy of the same code is not, and unlike processors that share a home never meet.
    """
    from llvmlite import binding

    content = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))
    kind = f"{compiler()} {binding.get_host_cpu_features().flatten()}"
    name = f"kernels-{digest_bytes(content + kind.encode())[:16]}"
    try:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        place = base / "exvivo" / name / "entries.py"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.is_file():
            write_text(place, "# Numba keeps compiled kernels of exvivo beside this file.\n")
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home
        logger.info("compiled kernels are not kept: %s", error)
        return None
    return place if os.access(place.parent, os.W_OK) else None


@cache
def _openmp() -> ctypes.CDLL:
    """OpenMP as PyTorch has loaded it.

    Raises:
        OSError: none is loaded that knows GCC's calls.

    """
    library = ctypes.CDLL(None)  # PyTorch loads its own for all to see
    if not hasattr(library, "GOMP_parallel"):
        library = ctypes.CDLL("libgomp.so.1", mode=os.RTLD_NOLOAD | os.RTLD_NOW)
    library.GOMP_parallel.argtypes = [
        ctypes.c_void_p,
        ctypes.c_void_p,
        ctypes.c_uint,
        ctypes.c_uint,
    ]
    library.GOMP_parallel.restype = None
    return library
