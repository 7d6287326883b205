"""A listener that shows losses in TensorBoard; an extra, as TensorBoard is no dependency."""

from __future__ import annotations

from pathlib import Path

from handful.core.errors import UserError
from handful.core.progress import Event, Listener


def tensorboard_listener(folder: Path) -> Listener:
    """Writes the losses of every step event below folder / name of the run, so that runs stay apart.

    Raises:
        UserError: TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "TensorBoard is not installed.",
            "Its log files need the package tensorboard, an extra of Handful.",
            'Run `pip install "handful[tensorboard]"`, or leave --tensorboard out: events.jsonl has the same numbers.',
        ) from None
    writers: dict[str, SummaryWriter] = {}

    def listen(event: Event) -> None:
        if event["event"] == "step":
            run = event["name"]
            if run not in writers:
                writers[run] = SummaryWriter(str(folder / run))
            for name, value in event["losses"].items():
                writers[run].add_scalar(f"loss/{name}", value, event["step"])
        elif event["event"] == "end" and event["name"] in writers:
            writers.pop(event["name"]).close()

    return listen
