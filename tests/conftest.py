"""What several stages' tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

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
