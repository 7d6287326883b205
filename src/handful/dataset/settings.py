"""What a data set is asked to be."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.images import Filter

Fit = Literal["keep", "crop", "tile"]

_CANVAS = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?")


class DatasetSettings(Settings):
    """Canvas and split of a data set. Canvas text and regular expression are refused with a UserError."""

    canvas: str = "128"
    """Size of every image in pixels: '128' (the long side, or a square for crop and tile) or '160x120'."""
    fit: Fit | None = None
    """keep: the whole photo in its own aspect; crop: its centre in the canvas's aspect; tile: canvas-sized pieces
    at full resolution. Not given: keep for one number, crop for WIDTHxHEIGHT."""
    filter: Filter = "bicubic"
    """Filter of the resize; all are antialiased."""
    channels: Literal["auto", "grey", "rgb"] = "auto"
    """auto keeps what the photos have and refuses a mixture."""
    heldout: float = Field(0.25, ge=0, le=0.9)
    """Share of the photos held out of training; 0 trains on all. From 4 photos on, at least 2 photos are held out and
    2 are not, where groups allow. With folds, 1 / folds instead."""
    folds: int = Field(1, ge=1, le=20)
    """1: one held-out set. More: the photos in so many parts, each held out once."""
    split: Literal["groups", "blocks", "layout"] = "groups"
    """groups: near-duplicates stay together; blocks: runs in file order stay together, for sequences; layout: what the
    layout of the labels calls test is held out."""
    group_by: str | None = None
    """Regular expression over file names: photos with the same first capture (or match) stay together."""
    keep_duplicates: bool = False
    """Keep exact copies of a photo; not given, they are left out."""
    seed: int = 0
    """Decides which groups are held out."""

    @field_validator("canvas", mode="before")
    @classmethod
    def _number_to_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("canvas")
    @classmethod
    def _check_canvas(cls, text: str) -> str:
        if _CANVAS.fullmatch(text) is None:
            raise UserError(
                f"The canvas is '{text}'.",
                "A canvas is one number of pixels (128) or WIDTHxHEIGHT (160x120), each side at least 8.",
                "Give --canvas 128, or --canvas 160x120.",
            )
        return text

    @field_validator("group_by")
    @classmethod
    def _check_group_by(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as error:
            raise UserError(
                f"--group-by '{pattern}' is no regular expression: {error}.",
                "It is a Python regular expression over file names.",
                r"For names such as part12_3.png give --group-by 'part(\d+)'.",
            ) from None
        return pattern

    def canvas_sides(self) -> tuple[int, int | None]:
        """(width, height), or (side, None) where one number was given."""
        match = _CANVAS.fullmatch(self.canvas)
        assert match is not None  # checked above
        return int(match[1]), None if match[2] is None else int(match[2])
