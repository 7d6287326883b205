"""A listener that shows losses in TensorBoard; an extra, as TensorBoard is no dependency."""

from __future__ import annotations

from pathlib import Path

from handful.core.errors import UserError
from handful.core.progress import Event, Listener


def tensorboard_listener(folder: Path) -> Listener:
    """Writes the losses of every step event below `folder`.

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
    writer = SummaryWriter(str(folder))

    def listen(event: Event) -> None:
        if event["event"] == "step":
            for name, value in event["losses"].items():
                writer.add_scalar(f"loss/{name}", value, event["step"])
        elif event["event"] == "end":
            writer.close()

    return listen
