"""How long to train: "3min", "90s", "1h", "500steps", "2000images", "300epochs"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from handful.core.errors import UserError

_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}
_COUNTS = ("steps", "images", "epochs")


@dataclass(frozen=True)
class Budget:
    """A limit of time or of steps; exactly one of the two is set."""

    seconds: float | None = None
    steps: int | None = None

    def progress(self, step: int, seconds: float) -> float:
        """Share used, 0 to 1, after `step` steps and `seconds` of training."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.seconds is not None
        return min(1.0, seconds / self.seconds)

    def seconds_left(self, step: int, seconds: float) -> float:
        """Seconds until the budget is used, at the pace so far; infinite before the first step."""
        if self.seconds is not None:
            return max(0.0, self.seconds - seconds)
        used = self.progress(step, seconds)
        return seconds * (1 - used) / used if used else math.inf


def parse_budget(text: str) -> tuple[float, str]:
    """Reads "3min" as (3.0, "min").

    Raises:
        UserError: not of these forms, or not above zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.strip().lower())
    unit = match[2] if match else ""
    unit = unit + "s" if unit + "s" in _COUNTS else unit
    amount = float(match[1]) if match else 0.0
    if unit not in (*_SECONDS, *_COUNTS) or amount <= 0 or (unit in _COUNTS and amount != int(amount)):
        raise UserError(
            f"The budget is '{text}'.",
            "It must be a time (90s, 3min, 1.5h) or a whole number of steps, images or epochs "
            "(500steps, 2000images, 300epochs), above zero.",
            "Write --budget 3min, for example.",
        )
    return amount, unit


def resolve_budget(text: str, batch: int, photos: int) -> Budget:
    """The budget as seconds or as steps of `batch` images; an epoch is `photos` images. Part steps count whole."""
    amount, unit = parse_budget(text)
    if unit in _SECONDS:
        return Budget(seconds=amount * _SECONDS[unit])
    images_a_unit = {"steps": batch, "images": 1, "epochs": photos}[unit]
    return Budget(steps=math.ceil(int(amount) * images_a_unit / batch))
