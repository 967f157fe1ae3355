"""Metadata of our safetensors files, as one JSON text.

safetensors writes several keys in an order that differs from process to process; with one key equal models
are equal files, byte for byte.
"""

from __future__ import annotations

import json

_KEY = "exvivo"


def pack(metadata: dict[str, str]) -> dict[str, str]:
    """What to give to `safetensors.torch.save_file`."""
    return {_KEY: json.dumps(metadata, sort_keys=True, ensure_ascii=False)}


def unpack(metadata: dict[str, str] | None) -> dict[str, str]:
    """Inverse of `pack`; empty for files that exvivo did not write."""
    return json.loads((metadata or {}).get(_KEY, "{}"))
