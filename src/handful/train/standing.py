"""Where a run stands beyond its weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handful.core.errors import UserError


@dataclass
class Standing:
    """Where a run stands beyond its weights; every checkpoint carries it."""

    step: int = 0
    images: int = 0
    seconds: float = 0.0
    """Over all sessions, without pauses."""
    moments: int = 0
    """Preview moments passed."""
    healthy_step: int | None = None
    """Step of the last checkpoint whose samples were found to differ."""
    loss_scales: dict[str, float] = field(default_factory=dict)
    alike_in_a_row: int = 0
    alarms: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, header: dict[str, Any], folder: Path) -> Standing:
        """The standing in a checkpoint's header; a UserError where another version wrote it."""
        try:
            return cls(**header)
        except TypeError as error:
            raise UserError(
                f"The checkpoints of {folder} were written by another version of Handful: {error}.",
                "A run goes on with the version that started it.",
                "Use that version, or delete the run folder and train again.",
            ) from None
