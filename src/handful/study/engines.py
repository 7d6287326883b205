"""How cells are run: one after the other in this process, or side by side in processes with pinned threads."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed

from handful.core.artifacts import RunManifest
from handful.core.errors import UserError
from handful.study.cells import Cell

Work = Callable[[Cell], RunManifest]


def run_cells(cells: Sequence[Cell], work: Work, jobs: int) -> Iterator[tuple[Cell, RunManifest]]:
    """Runs every cell and yields each as it ends.

    A cell that fails does not stop the others; its error is raised when they are done.

    Args:
        cells: what to run.
        work: runs one cell; must be picklable when jobs > 1.
        jobs: processes at a time; each is pinned to its own share of the cores.

    Raises:
        UserError: jobs below 1, or the first error of a cell.
    """
    if jobs < 1:
        raise UserError(f"--jobs is {jobs}.", "At least one process must work.", "Give --jobs 1 or more.")
    failures: list[UserError] = []
    for cell, run in _one_by_one(cells, work) if jobs == 1 else _side_by_side(cells, work, jobs):
        if isinstance(run, UserError):
            failures.append(run)
        else:
            yield cell, run
    if failures:
        raise failures[0]


def _one_by_one(cells: Sequence[Cell], work: Work) -> Iterator[tuple[Cell, RunManifest | UserError]]:
    for cell in cells:
        try:
            yield cell, work(cell)
        except UserError as error:
            yield cell, error


def _side_by_side(cells: Sequence[Cell], work: Work, jobs: int) -> Iterator[tuple[Cell, RunManifest | UserError]]:
    context = multiprocessing.get_context("spawn")  # a forked torch may hang on its thread pool's locks
    places = context.Queue()
    for place in range(jobs):
        places.put(place)
    with ProcessPoolExecutor(jobs, context, initializer=_pin, initargs=(places, jobs)) as pool:
        waiting: dict[Future[RunManifest], Cell] = {pool.submit(work, cell): cell for cell in cells}
        for future in as_completed(waiting):
            error = future.exception()
            if error is not None and not isinstance(error, UserError):
                raise error
            yield waiting[future], error if isinstance(error, UserError) else future.result()


def cores_for(place: int, jobs: int, cores: Sequence[int]) -> list[int]:
    """The cores of process `place` of `jobs`: disjoint shares; shared by turns where cores are too few."""
    if jobs >= len(cores):
        return [cores[place % len(cores)]]
    return list(cores[place * len(cores) // jobs : (place + 1) * len(cores) // jobs])


def _pin(places: multiprocessing.Queue[int], jobs: int) -> None:
    place = places.get()
    if hasattr(os, "sched_setaffinity"):  # macOS and Windows cannot pin; there the thread count alone divides
        os.sched_setaffinity(0, cores_for(place, jobs, sorted(os.sched_getaffinity(0))))
