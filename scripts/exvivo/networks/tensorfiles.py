"""Our safetensors files: equal content gives equal bytes, and the user's umask decides who reads them.

safetensors writes several metadata keys in an order that differs from process to process, so ours are one
JSON text under one key; and it makes files that only their owner can read, which is of no use on a share.
"""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from exvivo.files import replacing

_KEY = "exvivo"


def save_tensors(path: Path | str, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors and metadata, whole or not at all."""
    text = json.dumps(metadata, sort_keys=True, ensure_ascii=False)
    with replacing(path) as partial:
        partial.touch()
        mode = partial.stat().st_mode  # what the umask allows
        contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, partial, metadata={_KEY: text})
        partial.chmod(mode)


def unpack(metadata: dict[str, str] | None) -> dict[str, str]:
    """Metadata that `save_tensors` wrote; empty for files that exvivo did not write."""
    return json.loads((metadata or {}).get(_KEY, "{}"))
