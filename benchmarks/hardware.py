"""What a figure was measured on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

_UNITS = ("amx_bf16", "avx512_bf16", "avx512f", "avx2")
"""What decides how fast a CPU multiplies matrices."""


def hardware(threads: int | None = None) -> dict[str, str | int]:
    """CPU model, cores and the versions that decide speed; `threads` where torch computes."""
    model, units = platform.processor() or platform.machine(), ""
    info = Path("/proc/cpuinfo")
    if info.exists():
        facts = dict(line.split(":", 1) for line in info.read_text().splitlines() if ":" in line)
        facts = {name.strip(): value.strip() for name, value in facts.items()}
        model = facts.get("model name", model)
        units = ", ".join(unit for unit in _UNITS if unit in facts.get("flags", "").split())
    found: dict[str, str | int] = {"cpu": model, "units": units, "cores": os.cpu_count() or 1}
    found["python"] = platform.python_version()
    found |= {name: metadata.version(name) for name in ("torch", "numpy", "scipy")}
    return found if threads is None else found | {"threads": threads}
