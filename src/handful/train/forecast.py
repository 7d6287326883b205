"""How long training will take and what memory it needs, measured by a trial before it starts."""

from __future__ import annotations

import contextlib
import gc
import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from handful.core.device import Runtime
from handful.core.errors import UserError
from handful.core.memory import return_freed
from handful.core.seeds import torch_stream
from handful.generators.base import Augment, Clock, Generator
from handful.train.batches import batch_indices
from handful.train.budget import Budget

_TRIAL_IMAGES = 2  # the fewest that batch statistics can be taken of
_TRIAL_SECONDS = 0.3
_PROCESS = Path("/proc/self")


@dataclass(frozen=True)
class Forecast:
    """What a training will cost, at the pace of its first steps and, for later ones, at the generator's own word."""

    step_seconds: float
    """Of the mean step."""
    steps: int
    """Steps that the budget holds."""
    seconds: float
    """Seconds for the whole budget."""
    memory_bytes: int
    """Memory that training adds to this process or device at its peak."""
    advice: str = ""
    """What decides the cost, and how to plan shorter."""
    processes: int = 1
    """Processes that share the steps."""

    def words(self) -> str:
        """For example "about 41 s for 500 steps of 0.081 s; 0.4 GiB of memory"."""
        several = f" in {self.processes} processes" if self.processes > 1 else ""
        memory = f"{self.processes * self.memory_bytes / 2**30:.1f} GiB of memory"
        about = f"about {self.seconds:,.0f} s for {self.steps:,} steps of {self.step_seconds:.2g} s{several}; {memory}"
        return f"{about}; {self.advice}" if self.advice else about

    def shared_out(self, processes: int, budget: Budget) -> Forecast:
        """The same work by several processes: a budget of time then holds more steps, one of steps ends sooner."""
        if budget.seconds is not None:
            return replace(self, steps=self.steps * processes, processes=processes)
        return replace(self, seconds=self.seconds / processes, processes=processes)


def forecast_training(
    build: Callable[[], Generator],
    photos: Tensor,
    batch: int,
    budget: Budget,
    runtime: Runtime,
    augment: Augment,
    seed: int,
) -> Forecast:
    """Times a trial step on a throwaway generator, which leaves the real one's state and streams alone.

    A first step of two images warms up and shows what an image costs in memory, so that a batch too large is
    refused before it is tried.

    Args:
        build: makes a fresh generator on the CPU.
        photos: all training photos (n, c, h, w) in [-1, 1], on the device.

    Raises:
        UserError: the batch needs more memory than is free.
    """
    memory = _MemoryGrowth(runtime.device)
    free_bytes = free_memory_bytes(runtime.device)
    trial = build()
    trial.to(runtime.device, runtime.memory_format)
    trial.prepare(photos)

    def step(trial: Generator, images: int) -> float:
        indices = batch_indices(seed, 0, images, len(photos)).to(photos.device)
        clock = Clock(step=0, images=0, progress=0.0, random=torch_stream(seed, "forecast"))
        start = time.perf_counter()
        with runtime.autocast():
            losses = trial.step(photos[indices], clock, augment)
        float(sum(losses.values()))  # waits for the device
        return time.perf_counter() - start

    small = min(_TRIAL_IMAGES, batch)
    step(trial, small)
    fixed_bytes = _state_bytes(trial)
    image_bytes = max(0, memory.peak_bytes() - fixed_bytes) / small
    needed_bytes = int(fixed_bytes + image_bytes * batch)
    refuse_more_than_free(needed_bytes, free_bytes, batch)
    laps = [step(trial, batch)]
    while sum(laps) < _TRIAL_SECONDS and len(laps) < 5:
        laps.append(step(trial, batch))
    growth = trial.growth(timed=budget.seconds is not None)
    needed_bytes = max(memory.peak_bytes(), fixed_bytes + growth.most_step_bytes)
    refuse_more_than_free(needed_bytes, free_bytes, batch)
    del trial
    gc.collect()
    step_seconds = min(laps) * growth.cost
    steps = budget.steps if budget.steps is not None else max(1, math.ceil((budget.seconds or 0) / step_seconds))
    return Forecast(
        step_seconds=step_seconds,
        steps=steps,
        seconds=budget.seconds if budget.seconds is not None else steps * step_seconds,
        memory_bytes=needed_bytes,
        advice=growth.words,
    )


def refuse_more_than_free(needed_bytes: int, free_bytes: int | None, batch: int) -> None:
    """Raises a UserError when training needs more memory than is free; None means that nobody knows."""
    if free_bytes is None or needed_bytes <= free_bytes:
        return
    raise UserError(
        f"Training with a batch of {batch:,} needs about {needed_bytes / 2**30:,.1f} GiB of memory.",
        f"{free_bytes / 2**30:,.1f} GiB are free.",
        "Give a smaller --batch, build the data set again with a smaller --canvas, or close other programs.",
    )


def free_memory_bytes(device: torch.device) -> int | None:
    """Memory that training may still take: the device's, or this machine's (Linux; None elsewhere)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return _kilobytes(Path("/proc/meminfo"), "MemAvailable") if device.type == "cpu" else None


class _MemoryGrowth:
    """How far memory grew since this object was made, at its peak."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)
            return
        return_freed()  # what an earlier training left would hide what this one takes
        with contextlib.suppress(OSError):  # where it is refused, the peak may be an earlier one: too high
            (_PROCESS / "clear_refs").write_text("5")  # Linux: the peak starts again from here
        self._before = _kilobytes(_PROCESS / "status", "VmRSS") or 0

    def peak_bytes(self) -> int:
        if self._device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self._device)) - self._before
        return max(0, (_kilobytes(_PROCESS / "status", "VmHWM") or 0) - self._before)


def _kilobytes(path: Path, name: str) -> int | None:
    """A line such as "MemAvailable:  123 kB" of a Linux status file, in bytes; None where there is none."""
    try:
        match = re.search(rf"^{name}:\s+(\d+) kB", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def _state_bytes(generator: Generator) -> int:
    """Bytes of parameters, gradients and Adam's two moments: four of each trained parameter."""
    networks = [module for module in generator.modules().values() if isinstance(module, torch.nn.Module)]
    return sum(
        tensor.nbytes * (4 if tensor.requires_grad else 1)
        for network in networks
        for tensor in (*network.parameters(), *network.buffers())
    )
