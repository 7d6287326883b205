"""Events: what a run says while it works, and who listens.

A run emits plain dictionaries with an "event" key. The log file keeps every one as a JSON line; a progress
bar, TensorBoard or a page are other listeners of the same events.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from handful.core.workspace import explain_full_disk, write_atomically

Event = Mapping[str, Any]
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """A listener that does not listen."""


def tee(*listeners: Listener) -> Listener:
    """One listener that passes every event on to several."""

    def listen(event: Event) -> None:
        for listener in listeners:
            listener(event)

    return listen


def labelled(listener: Listener, **labels: Any) -> Listener:
    """A listener that adds `labels` to every event before it passes it on."""
    return lambda event: listener({**event, **labels})


class EventLog:
    """Appends events to a JSON-lines file. A line cut short by a kill is dropped when the log is next opened."""

    def __init__(self, path: Path, keep_through_step: int | None = None) -> None:
        """Opens the log, keeping earlier events up to `keep_through_step` (None keeps none)."""
        self.path = path
        kept = [
            event
            for event in read_events(path)
            if keep_through_step is not None and event.get("step", 0) <= keep_through_step
        ]
        write_atomically(path, "".join(json.dumps(event) + "\n" for event in kept).encode())
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        with explain_full_disk(self.path):
            self._file.write(json.dumps(event) + "\n")
            self._file.flush()

    def close(self) -> None:
        with contextlib.suppress(OSError):  # an event that met a full disk was reported then
            self._file.close()


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The events of a log, oldest first. An unfinished or damaged line is left out: a log never blocks a run."""
    if not path.exists():
        return
    with path.open("rb") as lines:
        for line in lines:
            event = None
            if line.endswith(b"\n"):
                with contextlib.suppress(ValueError, RecursionError):
                    event = json.loads(line)
            if isinstance(event, dict):
                yield event
