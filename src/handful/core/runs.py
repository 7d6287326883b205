"""Masks as run lengths, as COCO counts them: column after column, outside first (pycocotools' RLE, both spellings)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

_ZERO = 48  # the character of the number 0


def mask_to_runs(mask: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """(height, width) -> lengths of runs outside, inside, outside, ...; their sum is height x width."""
    values = mask.T.ravel()
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    runs = np.diff([0, *edges, len(values)]).tolist()
    return (0, *runs) if len(values) and values[0] else tuple(runs)


def runs_to_text(runs: Sequence[int]) -> str:
    """The compressed spelling: each run from the fourth on as its difference to the one before the last, in groups of
    5 bits, lowest first, 6th bit: more follows, sign by the last group's highest bit, as characters from '0' on."""
    letters = []
    for place, run in enumerate(runs):
        rest = run - (runs[place - 2] if place > 2 else 0)
        while True:
            group = rest & 31
            rest >>= 5
            more = rest != (-1 if group & 16 else 0)
            letters.append(chr((group | 32 if more else group) + _ZERO))
            if not more:
                break
    return "".join(letters)


def text_to_runs(text: str) -> tuple[int, ...]:
    """The inverse of `runs_to_text`.

    Raises:
        ValueError: the text is cut short or holds other characters.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - _ZERO
        if not 0 <= code < 64:
            raise ValueError(f"run lengths hold the character {letter!r}")
        value |= (code & 31) << shift
        shift += 5
        if code & 32:
            continue
        if code & 16:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value = shift = 0
    if shift or any(run < 0 for run in runs):
        raise ValueError("run lengths are cut short or negative")
    return tuple(runs)
