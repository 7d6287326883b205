"""The one module that decides where and how fast networks run.

Measured on CPUs: glibc's allocator maps every large activation afresh, which costs up to half of a big
convolution's speed; channels_last and bf16 pay only together, and bf16 only on CPUs with matrix units, so a
short self-test decides. Everything here changes speed, never the formula; `tuned=False` leaves it all out.
"""

from __future__ import annotations

import ctypes
import functools
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch
from torch.nn import functional as F

from handful.core.errors import UserError, unknown_name

Precision = Literal["fp32", "bf16"]

_DEVICES = ("auto", "cpu", "cuda", "mps")
_BF16_LEAST_GAIN = 1.3
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # parameter numbers of glibc's mallopt
_INT_MAX = 2**31 - 1


@dataclass(frozen=True)
class Runtime:
    """How this process runs networks."""

    device: torch.device
    precision: Precision
    """bf16: `autocast` computes convolutions and products in bfloat16; weights stay float32."""
    memory_format: torch.memory_format
    threads: int
    deterministic: bool
    tuned: bool

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which training steps and samples are computed."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def describe(self) -> dict[str, str | int | bool]:
        """The choices in plain values, for manifests and `--json`."""
        device = self.device.type
        if device == "cuda":
            device = f"cuda ({torch.cuda.get_device_name(self.device)})"
        return {
            "device": device,
            "precision": self.precision,
            "memory_format": str(self.memory_format).removeprefix("torch."),
            "threads": self.threads,
            "deterministic": self.deterministic,
            "tuned": self.tuned,
        }


def start_runtime(
    device: str = "auto",
    precision: str = "auto",
    threads: int | None = None,
    deterministic: bool = False,
    tuned: bool = True,
) -> Runtime:
    """Chooses device and precision and sets up this process for them.

    Args:
        device: auto (cuda, else mps, else cpu), cpu, cuda or mps.
        precision: auto (bf16 where a self-test of under 0.3 s finds it at least 1.3 times faster), fp32 or bf16.
            fp32 means just that: TF32 is switched off.
        threads: CPU threads of one operation; None leaves torch's choice.
        deterministic: refuse operations whose result may differ between runs; auto then means fp32.
        tuned: False leaves allocator, denormals and memory format as torch has them; auto then means fp32.

    Raises:
        UserError: an unknown name, a device that this machine lacks, or fewer than one thread.
    """
    chosen = check_runtime(device, precision, threads)
    if threads is not None:
        torch.set_num_threads(threads)
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is deterministic only so
    if deterministic != torch.are_deterministic_algorithms_enabled():  # the call itself costs a second
        torch.use_deterministic_algorithms(deterministic)
    if tuned:
        keep_freed_memory()
        torch.set_flush_denormal(True)
        torch.backends.cudnn.benchmark = not deterministic
    if precision != "bf16":  # TF32 would round the inputs of products to 10 bits
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
    if precision == "auto":
        may_gain = tuned and not deterministic and chosen.type != "mps"
        gain = bf16_gain(chosen.type, torch.get_num_threads()) if may_gain else 0.0
        precision = "bf16" if gain >= _BF16_LEAST_GAIN else "fp32"
    channels_last = tuned and chosen.type != "mps"
    return Runtime(
        device=chosen,
        precision=cast(Precision, precision),
        memory_format=torch.channels_last if channels_last else torch.contiguous_format,
        threads=torch.get_num_threads(),
        deterministic=deterministic,
        tuned=tuned,
    )


def keep_freed_memory() -> bool:
    """Tells glibc to reuse freed memory instead of mapping every large tensor afresh; False elsewhere."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):
        return False
    return bool(libc.mallopt(_M_MMAP_MAX, 0)) and bool(libc.mallopt(_M_TRIM_THRESHOLD, _INT_MAX))


@functools.cache
def bf16_gain(device_type: str, threads: int) -> float:
    """How many times faster a small convolution, forward and backward, runs in bf16 than in fp32 on this machine.

    Args:
        device_type: cpu or cuda.
        threads: CPU threads in use; it only keys the cache, as the answer depends on it.
    """
    random = torch.Generator().manual_seed(0)
    image = torch.randn(4, 64, 48, 48, generator=random).to(device_type, memory_format=torch.channels_last)
    weight = torch.randn(64, 64, 3, 3, generator=random).to(device_type, memory_format=torch.channels_last)
    image.requires_grad_()
    weight.requires_grad_()

    def seconds(dtype: torch.dtype) -> float:
        laps = []
        for _ in range(3):  # the first lap warms up
            start = time.perf_counter()
            with torch.autocast(device_type, dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
                loss = F.conv2d(image, weight, padding=1).square().sum()
            torch.autograd.grad(loss, (image, weight))
            if device_type == "cuda":
                torch.cuda.synchronize()
            laps.append(time.perf_counter() - start)
        return min(laps[1:])

    return seconds(torch.float32) / seconds(torch.bfloat16)


def check_runtime(device: str = "auto", precision: str = "auto", threads: int | None = None) -> torch.device:
    """Refuses what `start_runtime` would, and sets nothing up: for a check before anything is written.

    Args:
        device: auto (cuda, else mps, else cpu), cpu, cuda or mps.
        precision: auto, fp32 or bf16.
        threads: CPU threads of one operation; None leaves torch's choice.

    Returns:
        The device that will be used.

    Raises:
        UserError: an unknown name, a device that this machine lacks, or fewer than one thread.
    """
    chosen = _choose_device(device)
    if precision not in ("auto", *get_args(Precision)):
        raise unknown_name("precision", precision, ("auto", *get_args(Precision)), "handful train --help")
    if threads is not None and threads < 1:
        raise UserError(
            f"threads is {threads}.",
            f"It must be at least 1; this machine has {os.cpu_count()} cores.",
            "Give --threads a number from 1, or leave it out.",
        )
    return chosen


def _choose_device(name: str) -> torch.device:
    if name not in _DEVICES:
        raise unknown_name("device", name, _DEVICES, "handful train --help")
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, there in present.items() if there)
    if not present[name]:
        there = ", ".join(kind for kind in present if present[kind])
        raise UserError(
            f"The device {name} was asked for, and this machine or this build of torch has none.",
            f"Present here: {there}.",
            "Use --device auto, or install a torch build for your accelerator.",
        )
    return torch.device(name)
