"""Cells side by side: an end from outside and Ctrl-C are told from a cell's own failure."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from handful.core.artifacts import Alarm, RunManifest, Size
from handful.core.errors import UserError
from handful.core.progress import Event, Listener
from handful.core.workspace import write_atomically
from handful.study.cells import Cell
from handful.study.engines import outcome_words, run_cells

CELLS = [Cell(name, 0, 0) for name in ("a", "b")]
EVENTS = 1000  # of 200 bytes and more: three times what fits into a pipe, so whoever does not listen blocks the cell


def run_of(cell: Cell) -> RunManifest:
    return RunManifest(
        run_id=str(cell), generator=cell.generator, generator_settings={}, train_settings={}, seed=0, fold=0,
        dataset_folder="", dataset_fingerprint="", training_fingerprint="", canvas=Size(width=8, height=8), channels=1,
        bit_depth=8, training_images=1, source_type="algorithmicallyEnhanced", anchor=True, status="finished",
    )  # fmt: skip


def tell(cell: Cell, listener: Listener) -> RunManifest:
    for step in range(EVENTS):
        listener({"event": "step", "step": step, "words": "x" * 200})
    if cell.generator == "a":
        raise UserError("It broke.", "Nothing.", "Mend it.")
    if cell.generator == "b":
        raise ValueError("a bug in a generator")
    return run_of(cell)


def vanish(cell: Cell, listener: Listener) -> RunManifest:
    listener({"event": "step", "step": 1})
    os.kill(os.getpid(), signal.SIGKILL)  # as the system does when memory runs out
    return run_of(cell)


def go_on_talking(cell: Cell, listener: Listener, folder: Path) -> RunManifest:
    write_atomically(folder / cell.generator, str(os.getpid()).encode())
    while True:
        listener({"event": "step"})
        time.sleep(0.01)


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_cell_ends_with_its_own_outcome_and_all_its_events_were_heard_in_order_before(jobs: int) -> None:
    heard: list[Event] = []
    outcomes = {}
    cells = [*CELLS, Cell("c", 1, 0)]
    for cell, outcome in run_cells(cells, tell, jobs, heard.append):
        assert [event["step"] for event in heard if event["cell"] == str(cell)] == list(range(EVENTS))
        outcomes[cell.generator] = outcome
    assert len(heard) == EVENTS * len(cells)
    assert isinstance(outcomes["a"], UserError) and outcomes["a"].do == "Mend it."
    assert isinstance(outcomes["b"], ValueError)
    assert outcomes["c"] == run_of(cells[2])


def test_the_alarms_of_a_run_are_said_when_its_cell_ends() -> None:
    alarm = Alarm(kind="collapse", step=40, words="samples look alike")
    run = run_of(CELLS[0]).model_copy(update={"alarms": (alarm,), "status": "stopped"})
    assert outcome_words(run) == ["stopped", "alarm: samples look alike"]
    assert outcome_words(UserError("It broke.", "Nothing.", "Mend it.")) == ["failed: It broke."]


def test_a_listener_that_fails_ends_the_comparison_and_its_processes(tmp_path: Path) -> None:
    def deaf(event: Event) -> None:
        raise OSError("the terminal is gone")

    with pytest.raises(OSError, match="the terminal is gone"):
        list(run_cells(CELLS, partial(go_on_talking, folder=tmp_path), 2, deaf))
    for path in tmp_path.iterdir():
        assert_gone(int(path.read_text()))


def test_a_process_ended_from_outside_is_explained() -> None:
    heard: list[Event] = []
    errors = [outcome for _, outcome in run_cells(CELLS, vanish, 2, heard.append)]
    assert len(errors) == 2
    assert heard, "what it said before it was ended"
    for error in errors:
        assert isinstance(error, UserError)
        assert "ended from outside" in error.what and "--jobs 2" in error.allowed and "fewer --jobs" in error.do


@contextmanager
def two_talking(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """A program that runs two cells which never end, and the processes of the cells."""
    program = (
        "from functools import partial; from pathlib import Path; import test_engines as t\n"
        "if __name__ == '__main__':\n"
        "    list(t.run_cells(t.CELLS, partial(t.go_on_talking, folder=Path('.')), 2))\n"
    )
    (folder / "program.py").write_text(program)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    with subprocess.Popen(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
        # where these tests themselves run in the background, Ctrl-C is ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as parent:
        try:
            deadline = time.monotonic() + 120
            while not all((folder / cell.generator).exists() for cell in CELLS):
                assert parent.poll() is None and time.monotonic() < deadline, "the processes never started"
                time.sleep(0.05)
            yield parent, [int((folder / cell.generator).read_text()) for cell in CELLS]
        finally:
            with suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)


def assert_gone(process: int, within_s: float = 20) -> None:
    status = Path(f"/proc/{process}/stat")
    deadline = time.monotonic() + within_s
    while status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, f"process {process} lives on"
        time.sleep(0.05)


def test_ctrl_c_ends_every_process_at_once(tmp_path: Path) -> None:
    with two_talking(tmp_path) as (parent, workers):
        os.killpg(parent.pid, signal.SIGINT)  # as the terminal does: to every process
        told = parent.communicate(timeout=240)[1].decode()
        assert parent.returncode in (-signal.SIGINT, 130)
        assert told.count("Traceback") == 1, told  # the first process's own; the workers are silent
        for worker in workers:
            assert_gone(worker)


def test_processes_whose_first_one_was_killed_end_too_and_quietly(tmp_path: Path) -> None:
    with two_talking(tmp_path) as (parent, workers):
        parent.kill()
        for worker in workers:
            assert_gone(worker)
        assert b"Traceback" not in parent.communicate(timeout=240)[1]
