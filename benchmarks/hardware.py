"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path


def hardware(threads: int | None = None) -> dict[str, str | int]:
    """CPU model, cores and the versions that decide speed; `threads` where torch computes."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].partition(":")[2].strip() if lines else model
    found: dict[str, str | int] = {"cpu": model, "cores": os.cpu_count() or 1, "python": platform.python_version()}
    found |= {name: metadata.version(name) for name in ("torch", "numpy", "scipy")}
    return found if threads is None else found | {"threads": threads}
