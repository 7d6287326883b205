"""How cells are run: one after the other in this process, or side by side in processes with pinned threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from handful.core.artifacts import RunManifest
from handful.core.errors import UserError
from handful.study.cells import Cell

Work = Callable[[Cell], RunManifest]
Outcome = RunManifest | Exception
"""What became of a cell."""


def run_cells(cells: Sequence[Cell], work: Work, jobs: int) -> Generator[tuple[Cell, Outcome], None, None]:
    """Runs every cell and yields each as it ends: its run, or the error that ended it. The others go on.

    Whatever stops the iteration early (Ctrl-C above all) stops the processes at once; finished work is kept.

    Args:
        cells: what to run.
        work: runs one cell; must be picklable when jobs > 1.
        jobs: processes at a time; each is pinned to its own share of the cores.

    Raises:
        UserError: jobs below 1.
    """
    if jobs < 1:
        raise UserError(f"--jobs is {jobs}.", "At least one process must work.", "Give --jobs 1 or more.")
    return _one_by_one(cells, work) if jobs == 1 else _side_by_side(cells, work, jobs)


def outcome_words(outcome: Outcome) -> list[str]:
    """What to say of a cell that ended: how, and each alarm of its training."""
    if isinstance(outcome, Exception):
        return [f"failed: {reason(outcome)}"]
    return [outcome.status, *(f"alarm: {alarm.words}" for alarm in outcome.alarms)]


def reason(error: Exception) -> str:
    """Why a cell ended, in one line."""
    return error.what if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _one_by_one(cells: Sequence[Cell], work: Work) -> Generator[tuple[Cell, Outcome], None, None]:
    for cell in cells:
        try:
            outcome: Outcome = work(cell)
        except Exception as error:
            outcome = error
        yield cell, outcome


def _side_by_side(cells: Sequence[Cell], work: Work, jobs: int) -> Generator[tuple[Cell, Outcome], None, None]:
    context = multiprocessing.get_context("spawn")  # a forked torch may hang on its thread pool's locks
    places = context.Queue()
    for place in range(jobs):
        places.put(place)
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(jobs, context, initializer=_start_process, initargs=(places, jobs))
    try:
        waiting: dict[Future[RunManifest], Cell] = {pool.submit(work, cell): cell for cell in cells}
        for future in as_completed(waiting):
            yield waiting[future], _outcome(future, jobs)
    except BaseException:
        workers = set(multiprocessing.active_children()) - others
        pool.shutdown(wait=False, cancel_futures=True)
        for process in workers:
            process.terminate()
        raise
    pool.shutdown()


def _outcome(future: Future[RunManifest], jobs: int) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return UserError(
            "A process was ended from outside, perhaps because memory ran out.",
            f"{jobs} processes ran at a time (--jobs {jobs}), and each needs the memory of a whole training.",
            "Run the same command again with fewer --jobs; what is finished is kept.",
        )
    except Exception as error:
        return error


def cores_for(place: int, jobs: int, cores: Sequence[int]) -> list[int]:
    """The cores of process `place` of `jobs`: disjoint shares; shared by turns where cores are too few."""
    if jobs >= len(cores):
        return [cores[place % len(cores)]]
    return list(cores[place * len(cores) // jobs : (place + 1) * len(cores) // jobs])


def _start_process(places: multiprocessing.Queue[int], jobs: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    place = places.get()
    if hasattr(os, "sched_setaffinity"):  # macOS and Windows cannot pin; there the thread count alone divides
        os.sched_setaffinity(0, cores_for(place, jobs, sorted(os.sched_getaffinity(0))))
