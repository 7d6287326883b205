"""Cells side by side: an end from outside and Ctrl-C are told from a cell's own failure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from handful.core.artifacts import Alarm, RunManifest, Size
from handful.core.errors import UserError
from handful.study.cells import Cell
from handful.study.engines import outcome_words, run_cells

CELLS = [Cell(name, 0, 0) for name in ("a", "b")]


def run_of(cell: Cell) -> RunManifest:
    return RunManifest(
        run_id=str(cell), generator=cell.generator, generator_settings={}, train_settings={}, seed=0, fold=0,
        dataset_folder="", dataset_fingerprint="", training_fingerprint="", canvas=Size(width=8, height=8), channels=1,
        bit_depth=8, training_images=1, source_type="algorithmicallyEnhanced", anchor=True, status="finished",
    )  # fmt: skip


def fail(cell: Cell) -> RunManifest:
    if cell.generator == "a":
        raise UserError("It broke.", "Nothing.", "Mend it.")
    return run_of(cell)


def crash(cell: Cell) -> RunManifest:
    if cell.generator == "a":
        raise ValueError("a bug in a generator")
    return run_of(cell)


def vanish(cell: Cell) -> RunManifest:
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out
    return run_of(cell)


def linger(cell: Cell, folder: Path) -> RunManifest:
    (folder / cell.generator).write_text(str(os.getpid()))
    time.sleep(60)
    return run_of(cell)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(("work", "error"), [(fail, UserError), (crash, ValueError)])
def test_the_error_of_one_cell_is_its_outcome_and_the_other_ends(
    work: Callable[[Cell], RunManifest], error: type[Exception], jobs: int
) -> None:
    outcomes = {cell.generator: outcome for cell, outcome in run_cells(CELLS, work, jobs)}
    assert isinstance(outcomes["a"], error)
    assert outcomes["b"] == run_of(CELLS[1])


def test_the_alarms_of_a_run_are_said_when_its_cell_ends() -> None:
    alarm = Alarm(kind="collapse", step=40, words="samples look alike")
    run = run_of(CELLS[0]).model_copy(update={"alarms": (alarm,), "status": "stopped"})
    assert outcome_words(run) == ["stopped", "alarm: samples look alike"]
    assert outcome_words(UserError("It broke.", "Nothing.", "Mend it.")) == ["failed: It broke."]


def test_a_process_ended_from_outside_is_explained() -> None:
    errors = [outcome for _, outcome in run_cells(CELLS, vanish, 2)]
    assert len(errors) == 2
    for error in errors:
        assert isinstance(error, UserError)
        assert "ended from outside" in error.what and "--jobs 2" in error.allowed and "fewer --jobs" in error.do


def test_ctrl_c_ends_every_process_at_once(tmp_path: Path) -> None:
    program = (
        "from functools import partial; from pathlib import Path; import test_engines as t\n"
        "if __name__ == '__main__':\n"
        "    list(t.run_cells(t.CELLS, partial(t.linger, folder=Path('.')), 2))\n"
    )
    (tmp_path / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    parent = subprocess.Popen(
        [sys.executable, "program.py"], cwd=tmp_path, env=environment, start_new_session=True, stderr=subprocess.PIPE
    )
    deadline = time.monotonic() + 60
    while not all((tmp_path / cell.generator).exists() for cell in CELLS) and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int((tmp_path / cell.generator).read_text() or 0) for cell in CELLS]
    os.killpg(parent.pid, signal.SIGINT)  # as the terminal does: to every process
    told = parent.communicate(timeout=20)[1].decode()
    assert parent.returncode in (-signal.SIGINT, 130)
    assert told.count("Traceback") == 1, told  # the first process's own; the workers are silent
    for worker in workers:
        assert not Path(f"/proc/{worker}").exists() or "Z" in Path(f"/proc/{worker}/stat").read_text().split()[2]
