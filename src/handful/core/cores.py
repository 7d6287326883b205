"""Which cores a process of several may use, and how it keeps to them."""

from __future__ import annotations

import os
from collections.abc import Sequence


def cores_here() -> list[int]:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def cores_for(place: int, jobs: int, cores: Sequence[int]) -> list[int]:
    """The cores of process `place` of `jobs`: disjoint shares; shared by turns where cores are too few."""
    if jobs >= len(cores):
        return [cores[place % len(cores)]]
    return list(cores[place * len(cores) // jobs : (place + 1) * len(cores) // jobs])


def pin(place: int, jobs: int) -> None:
    """Keeps this process to its share; macOS and Windows cannot, and there the thread count alone divides."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores_for(place, jobs, cores_here()))
