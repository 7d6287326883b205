"""Shows a run's events on stderr: a bar for all that is under way, with the time left, on a terminal; plain lines
elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from handful.core.progress import Event, Listener

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

_BAR = 12
"""Width of a bar, in characters."""


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """A listener for events: those with 'progress' (0 to 1) move a bar, those with 'words' are said."""
    if not sys.stderr.isatty():
        yield _say_plainly
        return
    from rich.console import Console

    with bars(Console(stderr=True)) as listener:
        yield listener


@contextmanager
def bars(console: Console) -> Iterator[Listener]:
    """The bars of `progress_bar`, on any console."""
    from rich.progress import BarColumn, Progress, TextColumn

    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR),
        TextColumn("{task.percentage:>3.0f} % {task.fields[left]}"),
        console=console,
    ) as progress:
        yield _Bars(progress)


class _Bars:
    """A bar for each thing under way, side by side where several cells of a comparison are; it goes at its end."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[tuple[str, str, str], TaskID] = {}
        """(cell, kind of event, name) -> bar."""

    def __call__(self, event: Event) -> None:
        cell, kind, words = str(event.get("cell", "")), str(event["event"]), str(event.get("words", ""))
        if "progress" not in event:
            if words:
                self._progress.console.print(words, highlight=False, markup=False)
            if kind == "cell":  # it ended, perhaps halfway
                self._remove([key for key in self._tasks if key[0] == cell])
            return
        name = str(event.get("name", kind))
        key = (cell, kind, name)
        if event["progress"] >= 1:
            self._remove([key])
            return
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task("", total=1.0, left="")
        task = self._tasks[key]
        self._progress.update(
            task,
            completed=float(event["progress"]),
            description=self._cut(words or (f"{cell}: {name}" if cell else name)),
            left=_time_text(self._seconds_left(event, task)),
        )

    def _cut(self, words: str) -> str:
        """Words that leave room for the bar and the time left."""
        room = max(self._progress.console.width - _BAR - len("  100 % 00:00:00 left"), 10)
        return words if len(words) <= room else words[: room - 1] + "…"

    def _seconds_left(self, event: Event, task: TaskID) -> float | None:
        """As the event says, else as the bar's own speed has it; cells end too seldom for that."""
        if "seconds_left" in event or event["event"] == "cells":
            return event.get("seconds_left")
        return next(one.time_remaining for one in self._progress.tasks if one.id == task)

    def _remove(self, keys: list[tuple[str, str, str]]) -> None:
        for key in keys:
            if key in self._tasks:
                self._progress.remove_task(self._tasks.pop(key))


def _time_text(seconds: float | None) -> str:
    return "" if seconds is None else f"{timedelta(seconds=round(seconds))} left"


def _say_plainly(event: Event) -> None:
    if "progress" not in event and event.get("words"):
        print(event["words"], file=sys.stderr, flush=True)
