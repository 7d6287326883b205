"""How much memory is free, and a refusal, before the work starts, of what does not fit."""

from __future__ import annotations

import ctypes
import os
import re
import sys
from pathlib import Path

import torch

from handful.core.errors import UserError

_CPU = torch.device("cpu")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def return_freed() -> None:
    """Gives memory that was freed but kept for later back to the system, on Linux with glibc; nothing elsewhere."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is not None and hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)


def free_bytes(device: torch.device = _CPU) -> int:
    """Bytes that a new allocation may take on the device without swapping; a huge number where nobody says.

    On a CPU: what Linux calls available (free, or only a cache), within a container's own limit. On macOS all of the
    machine's memory, as it does not tell how much is in use.
    """
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + cached
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory()) - int(torch.mps.current_allocated_memory())
    if _MEMINFO.is_file() and (found := re.search(r"MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(encoding="ascii"))):
        return min(int(found[1]) * 1024, _free_in_container())
    if sys.platform != "win32" and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return sys.maxsize


def _free_in_container() -> int:
    """What the control group of a Linux container leaves. Its cache of files counts as free."""
    try:
        limit, used = (int((_CGROUP / name).read_text()) for name in ("memory.max", "memory.current"))
        cache = dict(line.split() for line in (_CGROUP / "memory.stat").read_text().splitlines())["inactive_file"]
        return limit - used + int(cache)
    except (OSError, ValueError, KeyError):  # no container, or one without a limit ("max")
        return sys.maxsize


def check_memory(needed_bytes: int, what: str, do: str, device: torch.device = _CPU) -> None:
    """Refuses work that would not fit.

    Args:
        needed_bytes: an estimate of the most that is held at once.
        what: the work, as the start of a sentence: "An image of 9000x6000 px".
        do: what the user can change.

    Raises:
        UserError: less than that is free on the device.
    """
    free = free_bytes(device)
    if needed_bytes > free:
        raise UserError(
            f"{what} needs about {_gigabytes(needed_bytes)} of memory.",
            f"{_gigabytes(free)} are free on this machine's {device.type}.",
            do,
        )


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:,.0f} GB" if count >= 1e11 else f"{count / 1e9:.3g} GB"
