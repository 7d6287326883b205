"""What lies in a run's folder, and who may write to it.

run.json  events.jsonl  checkpoints/step-0000500.safetensors  previews/step-0000500.png
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from handful.core.artifacts import RunManifest
from handful.core.errors import UserError
from handful.core.workspace import hold_folder, sweep_temporaries, write_atomically


class RunFolder:
    """Names every place in a run's folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events = root / "events.jsonl"
        self._checkpoints = root / "checkpoints"
        self._previews = root / "previews"

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Holds the folder for this process and removes what a killed one left half-written.

        Raises:
            UserError: another process trains this run.
        """
        busy = UserError(
            f"Another process is training the run {self.root}.",
            "One process at a time may train a run.",
            "Wait until it ends, or change a setting or --seed for another run beside it.",
        )
        with hold_folder(self.root, busy):
            for folder in (self.root, self._checkpoints, self._previews):
                sweep_temporaries(folder)
            yield

    def manifest(self) -> RunManifest | None:
        """The manifest, or None before the first start."""
        return RunManifest.read(self.root) if (self.root / RunManifest.file_name).exists() else None

    def checkpoints(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted(self._checkpoints.glob("step-*.safetensors"))

    def checkpoint(self, step: int) -> Path:
        """Where the checkpoint of a step lies."""
        return self._checkpoints / f"step-{step:07d}.safetensors"

    def remove_old_checkpoints(self, healthy_step: int | None) -> None:
        """Keeps the last two checkpoints and the last healthy one."""
        healthy = None if healthy_step is None else self.checkpoint(healthy_step)
        for path in self.checkpoints()[:-2]:
            if path != healthy:
                path.unlink()

    def set_aside_from(self, first: Path) -> None:
        """Renames the checkpoint `first` and those after it, so that a run goes on from the one before."""
        for path in self.checkpoints():
            if path.name >= first.name:
                path.replace(path.with_suffix(".set-aside"))

    def write_preview(self, step: int, png: bytes) -> Path:
        path = self._previews / f"step-{step:07d}.png"
        write_atomically(path, png)
        return path

    def remove_previews_after(self, step: int) -> None:
        """Removes previews of steps that a kill undid."""
        for path in self._previews.glob("step-*.png"):
            if int(path.stem.removeprefix("step-")) > step:
                path.unlink()

    def relative(self, path: Path) -> str:
        """A path as manifests and events name it: below the run folder, with forward slashes."""
        return path.relative_to(self.root).as_posix()
