"""The TensorBoard listener, with and without TensorBoard."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from handful.core.errors import UserError
from handful.train.tensorboard import tensorboard_listener

PRESENT = importlib.util.find_spec("tensorboard") is not None


@pytest.mark.skipif(PRESENT, reason="tensorboard is installed")
def test_without_tensorboard_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        tensorboard_listener(tmp_path)
    assert 'pip install "handful[tensorboard]"' in caught.value.do
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not PRESENT, reason="tensorboard, an extra, is not installed")
def test_losses_can_be_read_back_from_tensorboards_files(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    listen = tensorboard_listener(tmp_path)
    listen({"event": "start", "step": 0})
    listen({"event": "step", "step": 3, "losses": {"d": 0.5}})
    listen({"event": "step", "step": 9, "losses": {"d": 0.25}})
    listen({"event": "end", "step": 9})
    read = EventAccumulator(str(tmp_path)).Reload()
    assert [(row.step, row.value) for row in read.Scalars("loss/d")] == [(3, 0.5), (9, 0.25)]
