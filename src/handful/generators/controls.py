"""Types of controls and task settings that are written as one word on the command line."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from handful.core.config import Settings


class ImageSize(Settings):
    """Width and height in pixels."""

    width: int = Field(ge=1)
    height: int = Field(ge=1)


def _read_size(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", value.strip().lower())
    if not found:
        raise PydanticCustomError("image_size", "Input should be WIDTHxHEIGHT in pixels, for example 500x300")
    return ImageSize(width=int(found[1]), height=int(found[2]))


def _split(value: Any) -> Any:
    return [word.strip() for word in value.split(",")] if isinstance(value, str) else value


Canvas = Annotated[ImageSize, BeforeValidator(_read_size)]
"""A size, written 500x300."""
Numbers = Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(_split)]
"""Numbers of 0 and above, written 1,0.5,0."""
Indices = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_split)]
"""Numbers of photos from 0, written 0,4,7."""
