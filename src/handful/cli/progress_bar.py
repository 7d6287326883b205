"""Shows a run's events on stderr: a bar with the time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handful.core.progress import Event, Listener

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """A listener for events: those with 'progress' (0 to 1) move a bar, those with 'words' are said."""
    if not sys.stderr.isatty():
        yield _say_plainly
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        yield _Bars(progress)


class _Bars:
    """One bar for each name that events speak of."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, event: Event) -> None:
        words = str(event.get("words", ""))
        if "progress" not in event:
            if words:
                self._progress.console.print(words, highlight=False, markup=False)
            return
        name = str(event.get("name", event["event"]))
        if name not in self._tasks:
            self._tasks[name] = self._progress.add_task(name, total=1.0)
        done = float(event["progress"])
        self._progress.update(self._tasks[name], completed=done, description=words or name, visible=done < 1)


def _say_plainly(event: Event) -> None:
    if "progress" not in event and event.get("words"):
        print(event["words"], file=sys.stderr, flush=True)
