"""What several stages' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from handful.features.networks import NETWORKS
from handful.features.weights import list_weights

_SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared_folder(name: str) -> Path:
    folder = _SHARED / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: it is kept beside a checkout and is no part of it")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real photo sets, kept beside the checkout for tests only."""
    return _shared_folder("data")


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """Weights of feature networks, kept beside the checkout for tests only."""
    return _shared_folder("weights")


@pytest.fixture
def lite0() -> str:
    """The name of the small network, whose weights the test needs."""
    return _found("efficientnet-lite0")


@pytest.fixture
def inception() -> str:
    """The name of the network of FID, whose weights the test needs."""
    return _found("inception-2015")


def _found(network: str) -> str:
    (status,) = [status for status in list_weights() if status.network == network]
    if status.state != "found":
        pytest.skip(f"the weights of {network} are {status.state}: {status.how}")
    return network


@pytest.fixture
def inception_weights(shared_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder of the user's own that holds the Inception state dict alone."""
    name = NETWORKS["inception-2015"].files[0].file_name
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / name).symlink_to(shared_weights / name)
    monkeypatch.setenv("HANDFUL_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights" / name
