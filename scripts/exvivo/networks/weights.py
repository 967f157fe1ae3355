"""ImageNet weights: which file, from where, under which licence, and loading it into a network.

The manifest (`resources/weights.yaml`) pins each file by SHA-256. Files are read with `weights_only=True`
or as safetensors; nothing is unpickled.
"""

from __future__ import annotations

import importlib.util
import shutil
import struct
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from exvivo.errors import WeightsError
from exvivo.files import digest_file, replacing
from exvivo.networks.tensorfiles import save_tensors

FORMAT = "exvivo imagenet 1"
MANIFEST = Path(__file__).resolve().parents[3] / "resources" / "weights.yaml"
# What ImageNet weights do not give: the layers whose number of outputs or whose start is the assay's own.
_RANDOM_LAYERS = {
    "vgg19": "classifier.",
    "vgg16": "classifier.",
    "resnet50": "fc.",
    "efficientnet_lite0": "_fc.",
}
# What torch's restricted reader raises on damaged files and on files that hold more than tensors.
_UNREADABLE = (
    OSError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    AttributeError,
    TypeError,
    struct.error,
    SafetensorError,
    UnpicklingError,
)


@dataclass(frozen=True)
class WeightsEntry:
    """One network's line in the manifest.

    Attributes: `file` name, `sha256` of it (64 digits, or the first 8 or more where only those are published),
    `url` to download it from (empty if a package carries it), `package` that carries it (or empty),
    `licence`, `preprocessing` (a style in `exvivo.networks.preprocessing`), `source`.
    """

    network: str
    file: str
    sha256: str
    url: str
    package: str
    licence: str
    preprocessing: str
    source: str


def manifest(path: Path | str = MANIFEST) -> dict[str, WeightsEntry]:
    """The manifest by network name."""
    import yaml  # here only: the training loop does without it

    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return {name: WeightsEntry(network=name, **entry) for name, entry in content["weights"].items()}


def locate(
    name: str,
    configured: Path | str | None = None,
    *,
    entries: dict[str, WeightsEntry] | None = None,
) -> Path | None:
    """The verified ImageNet weight file of a network, or None for a network that has none.

    Args:
        name: network.
        configured: path from `training.weights.<network>`; else the package that carries the file.
        entries: another manifest than the delivered one.

    Raises:
        WeightsError: no file, or not the pinned one; says how to bring it.

    """
    entry = (manifest() if entries is None else entries).get(name)
    if entry is None:
        return None
    path = Path(configured) if configured is not None else _packaged(entry)
    if path is None:
        raise WeightsError(
            "the ImageNet weights are not here",
            expected=f"{entry.file} (SHA-256 {entry.sha256}…)",
            found="no path and no package",
            where=f"training.weights.{name}",
            hint=bring(entry),
        )
    verify(path, entry)
    return path


def verify(path: Path | str, entry: WeightsEntry) -> str:
    """SHA-256 of the file; `WeightsError` if it is missing or not the pinned one."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            "the ImageNet weights are not here",
            expected=f"{entry.file} (SHA-256 {entry.sha256}…)",
            found="no such file",
            where=str(path),
            hint=bring(entry),
        )
    digest = digest_file(path)
    if not digest.startswith(entry.sha256):
        raise WeightsError(
            f"these are not the pinned weights of {entry.network}",
            expected=f"SHA-256 {entry.sha256}…",
            found=f"SHA-256 {digest}",
            where=str(path),
            hint=bring(entry),
        )
    return digest


def bring(entry: WeightsEntry) -> str:
    """How to bring a weight file, in one sentence."""
    if entry.package:
        return (
            f"install the Python package {entry.package.replace('_', '-')} "
            f"or set training.weights.{entry.network} to a copy of {entry.file}"
        )
    return (
        f"on a machine with internet download {entry.url}, copy it here and set "
        f"training.weights.{entry.network} to its path"
    )


def fetch_weights(name: str, out: Path | str, *, entry: WeightsEntry | None = None) -> str:
    """Download a network's weight file to `out`, verified before it gets its name; returns its SHA-256.

    Raises:
        WeightsError: the network has no address, the download failed, or the file is not the pinned one.

    """
    entry = entry or manifest().get(name)
    if entry is None or not entry.url:
        raise WeightsError(
            "there is no address to download these weights from",
            expected="a network with a url in resources/weights.yaml",
            found=name,
            where="weights",
            hint="" if entry is None else bring(entry),
        )
    with replacing(out) as partial:
        try:
            with (
                urllib.request.urlopen(entry.url, timeout=60) as source,
                partial.open("wb") as file,
            ):
                shutil.copyfileobj(source, file)
        except (urllib.error.URLError, OSError) as error:
            raise WeightsError(
                "the weights could not be downloaded",
                expected=entry.url,
                found=str(error),
                where=str(out),
                hint=bring(entry),
            ) from error
        return verify(partial, entry)


def write_imagenet(
    name: str,
    out: Path | str,
    configured: Path | str | None = None,
    *,
    entries: dict[str, WeightsEntry] | None = None,
) -> dict[str, str]:
    """Write the pretrained layers of a network as a safetensors file that phase I can start from.

    The source is verified: a configured path, else a package, else a download. A network without ImageNet
    weights gives a file without tensors, so that a workflow needs no exception for it.

    Args:
        name: network.
        out: file to write.
        configured: path from `training.weights.<network>`.
        entries: another manifest than the delivered one.

    Returns:
        The file's metadata: format, network, source file, SHA-256 of the source, licence, preprocessing.

    Raises:
        WeightsError: the weights cannot be had; says how to bring them.

    """
    entries = manifest() if entries is None else entries
    metadata = {"format": FORMAT, "network": name, "file": "none", "preprocessing": "plain"}
    tensors: dict[str, Tensor] = {}
    if name in entries:
        entry = entries[name]
        tensors, digest = _pretrained(entry, configured, Path(out))
        metadata |= {"file": entry.file, "source": entry.source, "licence": entry.licence}
        metadata |= {"sha256": digest, "preprocessing": entry.preprocessing}
    save_tensors(out, tensors, metadata)
    return metadata


def _pretrained(
    entry: WeightsEntry, configured: Path | str | None, out: Path
) -> tuple[dict[str, Tensor], str]:
    """The pretrained layers and the SHA-256 of the file they come from."""
    if configured is None and not entry.package:
        download = out.with_name(f"{out.stem}.download{Path(entry.file).suffix}")
        try:
            digest = fetch_weights(entry.network, download, entry=entry)
            return pretrained_layers(entry.network, download), digest
        finally:
            download.unlink(missing_ok=True)
    path = locate(entry.network, configured, entries={entry.network: entry})
    return pretrained_layers(entry.network, path), digest_file(path)


def load_imagenet(model: nn.Module, name: str, path: Path | str) -> None:
    """Set all but the random layers of `model` from a weight file, in place.

    Raises:
        WeightsError: the file cannot be read safely, or holds other parameters than the network's.

    """
    found, own = pretrained_layers(name, path), model.state_dict()
    wanted = [k for k in own if _is_pretrained(name, k)]
    missing = [k for k in wanted if k not in found or found[k].shape != own[k].shape]
    if missing:
        raise WeightsError(
            f"the file does not hold the weights of {name}",
            expected=f"{len(wanted)} tensors such as {missing[0]} {tuple(own[missing[0]].shape)}",
            found=f"{len(missing)} of them missing or of another shape",
            where=str(path),
            hint="give the file that resources/weights.yaml names",
        )
    with torch.no_grad():
        for key in wanted:
            own[key].copy_(found[key])


def pretrained_layers(name: str, path: Path | str) -> dict[str, Tensor]:
    """What a network takes from a weight file: VGG its convolutions, as published; others all but the last layer."""
    return {k: t.contiguous() for k, t in _read(Path(path)).items() if _is_pretrained(name, k)}


def _is_pretrained(name: str, key: str) -> bool:
    random = _RANDOM_LAYERS.get(name)
    return random is not None and not key.startswith(random) and not key.endswith("batches_tracked")


def _read(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise WeightsError(
            "this weight file cannot be read",
            expected="tensors by name, as safetensors or a .pth of tensors alone",
            found=f"{type(error).__name__} {error}".partition("\n")[0],
            where=str(path),
            hint="download it again; files that hold code are refused",
        ) from error
    if not isinstance(content, dict) or not all(isinstance(t, Tensor) for t in content.values()):
        raise WeightsError(
            "this weight file holds something else than weights",
            expected="tensors by name",
            found=type(content).__name__,
            where=str(path),
        )
    return content


def _packaged(entry: WeightsEntry) -> Path | None:
    if not entry.package:
        return None
    spec = importlib.util.find_spec(entry.package)
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.rglob(entry.file))
    return found[0] if found else None
