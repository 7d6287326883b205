"""Shares the members of a fleet out to processes, and hears how far they are."""

from __future__ import annotations

import contextlib
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing.context import BaseContext
from queue import Empty
from types import ModuleType

from handful.core.artifacts import RunManifest
from handful.core.cores import cores_here
from handful.core.errors import UserError
from handful.core.pools import process_pool
from handful.train.fleet_members import Member
from handful.train.fleet_worker import TrainRun, start, train_member

_LISTEN_EVERY_S = 0.2


@dataclass
class Progress:
    """What the members have said."""

    shares: dict[int, float] = field(default_factory=dict)
    """Member -> share of its budget used."""
    steps: dict[int, int] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    """Of the last member that spoke."""


def train_members(
    members: list[Member], train_run: TrainRun, processes: int, progress: Progress, hear: Callable[[Progress], None]
) -> list[RunManifest]:
    """Trains every member, or goes on with those that were interrupted; their manifests, in order.

    Args:
        members: of one fleet.
        train_run: the training loop; it must be picklable.
        processes: at a time.
        progress: kept up to date.
        hear: is called when it has changed.

    Raises:
        UserError: what a member met; a process that was ended from outside.
    """
    context = _fresh_processes(train_run.__module__)
    places, events = context.Queue(), context.Queue()
    for place in range(processes):
        places.put(place)

    def listen() -> None:
        while True:
            try:
                index, event = events.get_nowait()
            except Empty:
                return
            progress.shares[index] = max(progress.shares.get(index, 0.0), event.get("progress", 0.0))
            progress.steps[index] = event.get("step", 0)
            progress.losses = event.get("losses", progress.losses)
            hear(progress)

    with process_pool(processes, context, start, (places, events, processes)) as pool:
        with _no_main_module():
            waiting: dict[Future[RunManifest], int] = {
                pool.submit(train_member, member, train_run): member.index for member in members
            }
        done: dict[int, RunManifest] = {}
        while waiting:
            for future in wait(waiting, timeout=_LISTEN_EVERY_S, return_when=FIRST_COMPLETED).done:
                index = waiting.pop(future)
                done[index] = _result(future, processes)
                progress.shares[index], progress.steps[index] = 1.0, done[index].steps
            listen()
    listen()
    return [done[member.index] for member in members]


def _fresh_processes(module: str) -> BaseContext:
    """Processes that inherit nothing from this one: a forked torch may hang on its thread pool's locks.

    Args:
        module: what all of them import; where the system allows it, once for all.
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module])
    return context


@contextlib.contextmanager
def _no_main_module() -> Iterator[None]:
    """New processes do not run the user's script again, which then needs no `if __name__ == "__main__"`."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _result(future: Future[RunManifest], processes: int) -> RunManifest:
    try:
        return future.result()
    except BrokenProcessPool:
        raise UserError(
            "A process that trained a photo was ended from outside, perhaps because memory ran out.",
            f"{processes} processes ran at a time, one a core.",
            f"Run the same command again with --threads {2 * len(cores_here()) // processes}, which halves them; "
            "finished photos are kept.",
        ) from None
