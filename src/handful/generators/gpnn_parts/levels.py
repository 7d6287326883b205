"""Sizes of a pyramid of any ratio, and the photo of a seed, for generators that work on patches of whole photos."""

from __future__ import annotations

import math

from handful.core.errors import UserError
from handful.generators.base import ImageSpec

Size = tuple[int, int]
"""(height, width) in pixels."""


def level_sizes(height: int, width: int, ratio: float, coarsest_px: int, max_size: int) -> tuple[Size, ...]:
    """(height, width) of every level, coarsest first.

    The finest is the canvas, or what is left of it where its long side is shrunk to `max_size`; the coarsest short
    side is `coarsest_px`, for which the ratio is changed a little. A canvas no larger than that has one level.

    Args:
        height, width: the canvas, in pixels.
        ratio: about that of a side to the next coarser one, above 1.
        coarsest_px: short side of the coarsest level.
        max_size: long side of the finest level.
    """
    shrink = min(1.0, max_size / max(height, width))
    short = min(height, width) * shrink
    steps = max(0, round(math.log(short / coarsest_px, ratio)))
    factor = coarsest_px / short if steps else 1.0
    shares = [shrink * factor ** (1 - level / steps) for level in range(steps)] + [shrink]
    return tuple((round(height * share), round(width * share)) for share in shares)


def sizes_drawn(sizes: tuple[Size, ...], spec: ImageSpec, height: int, width: int) -> tuple[Size, ...]:
    """Every level's size where the sample is height x width in place of the canvas."""
    return tuple((round(down * height / spec.height), round(right * width / spec.width)) for down, right in sizes)


def check_patch(sizes: tuple[Size, ...], patch_px: int, what: str) -> None:
    """Refuses patches larger than the coarsest level.

    Raises:
        UserError: they are.
    """
    if min(sizes[0]) < patch_px:
        raise UserError(
            f"{what}: its coarsest level is {sizes[0][1]}x{sizes[0][0]} px.",
            f"A level must hold a patch of {patch_px}x{patch_px} px.",
            "Raise coarsest_px, lower patch_px, or ask for a larger size.",
        )


def check_photo(word: str, number: int | None, count: int) -> None:
    """Refuses the number of a photo that a run lacks.

    Raises:
        UserError: it does.
    """
    if number is not None and number >= count:
        raise UserError(
            f"{word} is {number}.",
            f"This run has {count} photo(s), numbered from 0 to {count - 1}.",
            f"Give --set {word}= one of those numbers.",
        )
