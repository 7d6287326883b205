"""Trainings that are killed, and disks that fill up: nothing is lost, nothing is half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

if not hasattr(os, "fork"):
    pytest.skip("kills forked children, which this system has not", allow_module_level=True)

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, module_dataset: Path) -> dict[str, Any]:
    work = tmp_path_factory.mktemp("interruptions")
    command = [sys.executable, str(HERE / "interruptions.py"), str(module_dataset), str(work)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr
    answer: dict[str, Any] = json.loads(result.stdout)
    return answer


def test_a_training_killed_twenty_times_ends_with_the_same_bits(found: dict[str, Any]) -> None:
    kills = found["kills"]
    assert len(kills["killed_at"]) == 20
    assert len(set(kills["killed_at"])) > 10  # spread over the run
    assert kills["killed"] == kills["whole"]
    assert kills["whole"]["status"] == "finished"


def test_a_finished_run_leaves_no_temporary_files(found: dict[str, Any]) -> None:
    assert found["kills"]["leftovers"] == []


def test_a_full_disk_is_said_in_three_lines_and_keeps_the_earlier_checkpoint(found: dict[str, Any]) -> None:
    what, allowed, do = found["disk"]["message"].splitlines()
    assert "disk filled up" in what and "step-0000" in what
    assert "untouched" in allowed
    assert "run the same command again" in do
    assert found["disk"]["files"] == ["step-0000000.safetensors"]


def test_after_a_full_disk_the_run_goes_on_to_the_same_weights(found: dict[str, Any]) -> None:
    assert found["disk"]["first_event"]["resumed"] is True
    assert found["disk"]["weights"] == found["kills"]["whole"]["weights"]
