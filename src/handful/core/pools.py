"""Pools of processes that leave nobody behind."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from typing import Any


@contextmanager
def process_pool(
    processes: int, context: BaseContext, initializer: Callable[..., None], initargs: tuple[Any, ...]
) -> Iterator[ProcessPoolExecutor]:
    """A pool that waits for its processes at the end; where the block is left by an error (Ctrl-C above all) it ends
    them at once.

    Args:
        processes: at a time.
        context: how they start.
        initializer: runs first in each.
        initargs: its arguments.
    """
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(processes, context, initializer=initializer, initargs=initargs)
    try:
        yield pool
    except BaseException:
        workers = set(multiprocessing.active_children()) - others
        pool.shutdown(wait=False, cancel_futures=True)
        for process in workers:
            process.terminate()
        raise
    pool.shutdown()
