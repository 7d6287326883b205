"""The TensorBoard listener, with and without TensorBoard."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from handful.core.errors import UserError
from handful.core.progress import Event
from handful.train.tensorboard import tensorboard_listener

PRESENT = importlib.util.find_spec("tensorboard") is not None


@pytest.mark.skipif(PRESENT, reason="tensorboard is installed")
def test_without_tensorboard_the_error_says_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        tensorboard_listener(tmp_path)
    assert 'pip install "handful[tensorboard]"' in caught.value.do
    assert list(tmp_path.iterdir()) == []


class FakeWriter:
    """Stands in for TensorBoard's writer; remembers what each folder got."""

    folders: ClassVar[dict[str, list[tuple[str, float, int]]]] = {}
    closed: ClassVar[list[str]] = []

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.folders[folder] = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.folders[self.folder].append((name, value, step))

    def close(self) -> None:
        self.closed.append(self.folder)


def test_every_run_has_a_folder_of_its_own_opened_with_its_first_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = FakeWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    FakeWriter.folders.clear()
    FakeWriter.closed.clear()
    listen = tensorboard_listener(tmp_path)
    for event in [*run_events("one", [(1, 0.5)]), *run_events("untrained", []), *run_events("two", [(1, 0.25)])]:
        listen(event)
    assert FakeWriter.folders == {
        str(tmp_path / "one"): [("loss/d", 0.5, 1)],
        str(tmp_path / "two"): [("loss/d", 0.25, 1)],
    }
    assert FakeWriter.closed == [str(tmp_path / "one"), str(tmp_path / "two")]


def run_events(name: str, losses: list[tuple[int, float]]) -> list[Event]:
    """What a run says: its start, the loss d of some steps, its end."""
    steps = [{"event": "step", "name": name, "step": step, "losses": {"d": loss}} for step, loss in losses]
    return [{"event": "start", "name": name, "step": 0}, *steps, {"event": "end", "name": name, "step": 9}]


@pytest.mark.skipif(not PRESENT, reason="tensorboard, an extra, is not installed")
def test_losses_can_be_read_back_from_tensorboards_files(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    listen = tensorboard_listener(tmp_path)
    for event in run_events("one", [(3, 0.5), (9, 0.25)]):
        listen(event)
    read = EventAccumulator(str(tmp_path / "one")).Reload()
    assert [(row.step, row.value) for row in read.Scalars("loss/d")] == [(3, 0.5), (9, 0.25)]
