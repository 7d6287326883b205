"""How cells are run: one after the other in this process, or side by side in processes with pinned threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection

from handful.core.artifacts import RunManifest
from handful.core.cores import pin
from handful.core.errors import UserError
from handful.core.pools import process_pool
from handful.core.progress import Event, Listener, ignore, labelled
from handful.study.cells import Cell

Work = Callable[[Cell, Listener], RunManifest]
Outcome = RunManifest | Exception
"""What became of a cell."""

_LISTEN_EVERY_S = 0.1


def run_cells(
    cells: Sequence[Cell], work: Work, jobs: int, listener: Listener = ignore
) -> Generator[tuple[Cell, Outcome], None, None]:
    """Runs every cell and yields each as it ends: its run, or the error that ended it. The others go on.

    Whatever stops the iteration early (Ctrl-C above all) stops the processes at once; finished work is kept.

    Args:
        cells: what to run.
        work: runs one cell and tells its listener how far it is; must be picklable when jobs > 1, and so its events.
        jobs: processes at a time; each is pinned to its own share of the cores.
        listener: hears the events of all cells, each with the name of its "cell", in this process: those of one cell
            in their order, and all of them before that cell is yielded.

    Raises:
        UserError: jobs below 1.
    """
    if jobs < 1:
        raise UserError(f"--jobs is {jobs}.", "At least one process must work.", "Give --jobs 1 or more.")
    return _one_by_one(cells, work, listener) if jobs == 1 else _side_by_side(cells, work, jobs, listener)


def outcome_words(outcome: Outcome) -> list[str]:
    """What to say of a cell that ended: how, and each alarm of its training."""
    if isinstance(outcome, Exception):
        return [f"failed: {reason(outcome)}"]
    return [outcome.status, *(f"alarm: {alarm.words}" for alarm in outcome.alarms)]


def reason(error: Exception) -> str:
    """Why a cell ended, in one line."""
    return error.what if isinstance(error, UserError) else f"{type(error).__name__}: {error}"


def _one_by_one(cells: Sequence[Cell], work: Work, listener: Listener) -> Generator[tuple[Cell, Outcome], None, None]:
    for cell in cells:
        try:
            outcome: Outcome = work(cell, labelled(listener, cell=str(cell)))
        except Exception as error:
            outcome = error
        yield cell, outcome


def _side_by_side(
    cells: Sequence[Cell], work: Work, jobs: int, listener: Listener
) -> Generator[tuple[Cell, Outcome], None, None]:
    context = multiprocessing.get_context("spawn")  # a forked torch may hang on its thread pool's locks
    # A pipe for each process: no lock that a killed one could take along, and no thread that could outlive its cell
    ears, mouths = zip(*(context.Pipe(duplex=False) for _ in range(jobs)), strict=True)
    places = context.Queue()
    for place in range(jobs):
        places.put(place)
    with process_pool(jobs, context, _start_process, (places, mouths)) as pool:
        try:
            waiting: dict[Future[RunManifest], Cell] = {pool.submit(_run_here, work, cell): cell for cell in cells}
            for mouth in mouths:
                mouth.close()  # the processes have them: a pipe whose process was killed now has an end
            while waiting:
                ended, _ = wait(waiting, timeout=_LISTEN_EVERY_S, return_when=FIRST_COMPLETED)
                for ear in ears:  # after the look at what has ended: all that such a cell said lies in its pipe
                    for event in _heard(ear):
                        listener(event)
                for future in ended:
                    yield waiting.pop(future), _outcome(future, jobs)
        finally:
            for end in (*ears, *mouths):
                end.close()


def _heard(ear: Connection) -> Iterator[Event]:
    """The events that wait in a pipe; those of a process that was killed end where it ended."""
    with suppress(EOFError, OSError):
        while ear.poll():
            yield ear.recv()


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


_mouth: Connection | None = None
"""In a process of its own: where its events go."""


def _start_process(places: multiprocessing.Queue[int], mouths: Sequence[Connection]) -> None:
    global _mouth
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    place = places.get()
    _mouth = mouths[place]
    for other in mouths:
        if other is not _mouth:
            other.close()
    pin(place, len(mouths))


def _run_here(work: Work, cell: Cell) -> RunManifest:
    return work(cell, labelled(_say, cell=str(cell)))


def _say(event: Event) -> None:
    assert _mouth is not None
    try:
        _mouth.send(event)
    except OSError:  # the first process is gone, so nobody waits for this one: it ends as a killed run does
        os._exit(1)
