from __future__ import annotations

from pathlib import Path

import pytest

from handful.scores.networks import NETWORKS
from handful.scores.weights import list_weights


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
