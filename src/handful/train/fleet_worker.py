"""What a process of a fleet does: it keeps to its cores, and trains one member after the other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing import connection
from typing import Any

from handful.core.artifacts import RunManifest
from handful.core.cores import pin
from handful.core.device import Runtime, start_runtime
from handful.core.progress import Listener
from handful.generators.base import Facts
from handful.train.fleet_members import Member
from handful.train.run_folder import RunFolder
from handful.train.settings import TrainSettings
from handful.train.training_set import TrainingSet

TrainRun = Callable[[RunManifest, RunFolder, TrainingSet, TrainSettings, Facts, Runtime, Listener], RunManifest]
"""The training loop of one run."""

_events: Any = None
"""Where this process sends what its members say; set in the processes of a fleet alone."""


def start(places: Any, events: Any, processes: int) -> None:
    """Makes this process ready.

    Args:
        places: queue of the numbers of the processes; this one takes its own.
        events: queue for (member, event).
        processes: how many share the cores.
    """
    global _events
    _events = events
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first one ends the others
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    pin(places.get(), processes)


def _end_with_the_first() -> None:
    """Ends this process when the first one is killed: it would hold its photo's folder."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def train_member(member: Member, train_run: TrainRun) -> RunManifest:
    """Trains one, or goes on with it; its manifest, at once where it had ended before."""
    folder = RunFolder(member.folder)
    with folder.hold():
        run = folder.manifest()
        if run is not None and run.status != "running":
            return run
        described = member.run.train_settings
        runtime = start_runtime(
            "cpu", str(described["precision"]), member.settings.threads, member.settings.deterministic,
            member.settings.tuned,
        )  # fmt: skip
        member.run.write(folder.root)
        run = train_run(
            member.run, folder, member.source, member.settings, member.facts, runtime,
            lambda event: _events.put((member.index, dict(event))),
        )  # fmt: skip
        run.write(folder.root)
        return run
