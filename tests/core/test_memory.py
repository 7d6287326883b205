"""Memory that is free is told in bytes, and what does not fit is refused with both numbers."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from handful.core import memory
from handful.core.errors import UserError


def test_free_memory_is_more_than_a_process_holds_and_less_than_a_petabyte() -> None:
    assert 10**7 < memory.free_bytes() < 10**15


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of itself")
def test_it_is_what_linux_calls_available_within_the_limit_of_a_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 900 kB\nMemFree: 100 kB\nMemAvailable:     500 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    assert memory.free_bytes() == 500 * 1024
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("1000\n")
    assert memory.free_bytes() == 500 * 1024
    (tmp_path / "memory.max").write_text("41000\n")
    (tmp_path / "memory.stat").write_text("anon 5\ninactive_file 300\nactive_file 7\n")
    assert memory.free_bytes() == 40300


def test_what_does_not_fit_is_refused_with_both_numbers_and_what_fits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: 2 * 10**9)
    memory.check_memory(2 * 10**9, "An image", "Make it smaller.")
    with pytest.raises(UserError) as caught:
        memory.check_memory(7_500_000_000, "An image of 9x9 px", "Make it smaller.", torch.device("cpu"))
    assert str(caught.value) == (
        "An image of 9x9 px needs about 7.5 GB of memory.\n2 GB are free on this machine's cpu.\nMake it smaller."
    )
    with pytest.raises(UserError, match="needs about 6,350 GB"):
        memory.check_memory(6_350_000_000_000, "An image", "Make it smaller.")
