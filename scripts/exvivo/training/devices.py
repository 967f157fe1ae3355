"""Which processor computes, and how it is set so that one seed gives one result."""

from __future__ import annotations

import ctypes
import logging
import os
import warnings

import torch

from exvivo.errors import DeviceError

logger = logging.getLogger(__name__)
DEVICES = ("auto", "cpu", "cuda")
CAPABILITY = (8, 0)  # of a GPU: the first with bfloat16 and TF32

# Of mallopt(3), glibc.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _LARGEST = -1, -3, 1 << 30


def resolve_device(
    name: str = "auto", *, allow_cpu: bool = False, gpu_requested: bool = False
) -> torch.device:
    """The device to compute on; a GPU that was asked for and is not there is an error, never a slow run.

    Args:
        name: auto (a GPU if there is one), cpu or cuda.
        allow_cpu: fall back to the CPU where a GPU was asked for.
        gpu_requested: the scheduler was asked for a GPU (a rule's `gpu=1`), so `auto` means cuda.

    Raises:
        DeviceError: unknown name, or no GPU.

    """
    if name not in DEVICES:
        raise DeviceError(
            "there is no such device",
            expected=", ".join(DEVICES),
            found=name,
            where="training.device",
        )
    wanted = name == "cuda" or (name == "auto" and gpu_requested)
    if torch.cuda.is_available() and name != "cpu":
        return torch.device("cuda", torch.cuda.current_device())
    if wanted and not allow_cpu:
        raise DeviceError(
            "a GPU was asked for and there is none",
            expected="a CUDA device that this PyTorch can use",
            found=f"PyTorch {torch.__version__} without one; CUDA_VISIBLE_DEVICES="
            f"{os.environ.get('CUDA_VISIBLE_DEVICES', 'not set')}",
            where="training.device",
            hint="run on a node with a GPU, or set training.allow_cpu: true",
        )
    if wanted:
        logger.warning("a GPU was asked for and there is none: running on the CPU, as allowed")
    return torch.device("cpu")


def prepare(device: torch.device, threads: int | None = None) -> None:
    """Set determinism, precision and threads; log device, driver and memory."""
    if threads is not None:
        torch.set_num_threads(threads)
    # Not torch.use_deterministic_algorithms: the same switch, but it loads the compiler's modules first.
    # Every new tensor would else be filled first; ours are written before they are read.
    torch.utils.deterministic.fill_uninitialized_memory = False
    if device.type == "cuda":
        # cuBLAS is repeatable only with a fixed workspace, read when its handle is made.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # TF32 products with float32 weights and sums (DESIGN.md, section 6).
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = False
        # PyTorch calls every max pooling non-deterministic; ours is repeatable where windows do not
        # overlap (VGG), because each input then receives one gradient. So a warning, not a stop.
        torch.set_deterministic_debug_mode("warn")
        warnings.filterwarnings("ignore", message=".*max_pool2d.*deterministic.*")
    else:
        torch.set_deterministic_debug_mode("error")
        _keep_freed_memory()
    logger.info("%s", describe(device))


def _keep_freed_memory() -> None:
    """Let the allocator keep what tensors give back, for the next step asks for the same sizes again.

    By default memory of a large tensor goes back to the system, which fills it with zeros when it is asked for
    again: a tenth of a training step. Only glibc is told; others keep their ways.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST)
        mallopt(_M_TRIM_THRESHOLD, _LARGEST)


def half_precision(precision: str, device: torch.device) -> torch.dtype | None:
    """What the convolutions compute in, None for float32: on a CPU, or on a GPU that has no bfloat16."""
    if precision != "bfloat16" or device.type != "cuda":
        return None
    if torch.cuda.get_device_capability(device) < CAPABILITY:
        logger.warning("this GPU has no bfloat16: training in float32")
        return None
    return torch.bfloat16


def describe(device: torch.device) -> str:
    """One line: device, driver, memory, PyTorch."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        capability = f"{properties.major}.{properties.minor}"
        return (
            f"device {device}: {properties.name}, compute capability {capability}, "
            f"{properties.total_memory / 2**30:.1f} GiB, CUDA {torch.version.cuda}, "
            f"driver {_driver()}, PyTorch {torch.__version__}"
        )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"device cpu: {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}, "
        f"{memory:.1f} GiB, PyTorch {torch.__version__}"
    )


def _driver() -> str:
    version = getattr(torch._C, "_cuda_getDriverVersion", lambda: 0)()
    return f"{version // 1000}.{version % 1000 // 10}" if version else "unknown"
