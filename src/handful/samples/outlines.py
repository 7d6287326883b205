"""Index maps as connected parts, and parts as outlines that fill to exactly the same pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from handful.core.labels import IndexMap, Mask

Corners = list[tuple[int, int]]


def parts(found: IndexMap) -> list[tuple[int, Mask]]:
    """(number, mask) of each connected part of each kind; pixels that touch by an edge or a corner are connected."""
    separate = []
    for number in np.unique(found[found > 0]).tolist():
        labelled, count = ndimage.label(found == number, np.ones((3, 3), int))
        separate += [(number, labelled == part) for part in range(1, count + 1)]
    return separate


def outline(mask: Mask) -> Corners:
    """One closed polygon along the edges of the pixels: by the even-odd rule it fills to the mask, holes included.

    Args:
        mask: (height, width) with at least one pixel inside.

    Returns:
        Corners (x, y). Loops (holes, parts that touch by a corner) hang on the first by cuts of no width, each between
        the nearest two corners.
    """
    loops = sorted(_loops(mask), key=len, reverse=True)
    joined = loops.pop(0)
    for loop in loops:
        gaps = np.abs(np.array(joined)[:, None] - np.array(loop)[None]).sum(axis=2)
        here, there = np.unravel_index(int(gaps.argmin()), gaps.shape)
        joined = joined[: here + 1] + loop[there:] + loop[: there + 1] + joined[here:]
    return joined


def _loops(mask: npt.NDArray[np.bool_]) -> list[Corners]:
    """Closed loops over all edges between inside and outside, corners where they turn."""
    padded = np.pad(mask, 1)
    ahead: dict[tuple[int, int], Corners] = {}
    for down, right, start, end in (  # neighbour outside -> the edge towards it, inside to its right
        (-1, 0, (0, 0), (1, 0)),
        (0, 1, (1, 0), (1, 1)),
        (1, 0, (1, 1), (0, 1)),
        (0, -1, (0, 1), (0, 0)),
    ):
        open_side = mask & ~padded[1 + down : 1 + down + mask.shape[0], 1 + right : 1 + right + mask.shape[1]]
        for y, x in np.argwhere(open_side).tolist():
            ahead.setdefault((x + start[0], y + start[1]), []).append((x + end[0], y + end[1]))
    loops = []
    while ahead:
        first = next(iter(ahead))
        loop = [first]
        while True:
            ends = ahead[loop[-1]]
            step = ends.pop()
            if not ends:
                del ahead[loop[-1]]
            if step == first:
                break
            loop.append(step)
        loops.append(_turns(loop))
    return loops


def _turns(loop: Corners) -> Corners:
    """Without the corners that lie on a straight line."""
    steps = np.array(loop)
    before, behind = steps - np.roll(steps, 1, axis=0), np.roll(steps, -1, axis=0) - steps
    return [corner for corner, turns in zip(loop, (before != behind).any(axis=1), strict=True) if turns]
