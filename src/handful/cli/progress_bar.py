"""A progress bar on stderr that listens to a run's events."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from handful.core.progress import Event, Listener, ignore


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """A listener that draws a bar with time left on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _plain_lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        tasks: dict[str, int] = {}

        def listen(event: Event) -> None:
            words = describe(event)
            if event["event"] in ("step", "drawn", "features"):
                name = str(event.get("name", event["event"]))
                task = tasks.setdefault(name, None) or progress.add_task(name, total=1.0)  # type: ignore[arg-type]
                tasks[name] = task
                progress.update(task, completed=float(event.get("progress", 0)), description=words or name)  # type: ignore[arg-type]
            elif words:
                progress.console.print(words, highlight=False)

        yield listen


def _plain_lines(event: Event) -> None:
    words = describe(event)
    if words and event["event"] != "step":
        print(words, file=sys.stderr, flush=True)


def describe(event: Event) -> str:
    """One event in words; empty for those nobody need see."""
    return str(event.get("words", ""))


__all__ = ["describe", "ignore", "progress_bar"]
