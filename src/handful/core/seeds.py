"""One seed gives one independent stream of random numbers for each (purpose, index).

Nothing draws from a global generator, so a result never depends on what ran before it, on the batch it
was part of, or on whether the run was interrupted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    import torch

Noise = Literal["gaussian", "uniform"]


def stream_seed(seed: int, purpose: str, index: int = 0) -> int:
    """A 63-bit seed that is a pure function of its arguments."""
    digest = hashlib.sha256(f"{purpose}/{seed}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_stream(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    return np.random.default_rng(stream_seed(seed, purpose, index))


def torch_stream(seed: int, purpose: str, index: int = 0) -> torch.Generator:
    """A CPU generator: draw on the CPU and move, so that every device sees the same numbers."""
    import torch

    return torch.Generator().manual_seed(stream_seed(seed, purpose, index))


def draw_noise(shape: Sequence[int], noise: Noise, random: torch.Generator) -> torch.Tensor:
    """float32 noise of `shape`: N(0, 1), or uniform on [-1, 1)."""
    import torch

    if noise == "gaussian":
        return torch.randn(*shape, generator=random)
    return torch.rand(*shape, generator=random) * 2 - 1


def noise_by_seed(seeds: Sequence[int], shape: Sequence[int], noise: Noise, purpose: str) -> torch.Tensor:
    """Noise (len(seeds), *shape) whose row i depends on seeds[i] alone."""
    import torch

    return torch.stack([draw_noise(shape, noise, torch_stream(seed, purpose)) for seed in seeds])
