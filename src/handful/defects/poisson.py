"""Seamless joining: the region that has given gradients and meets the picture at its edge.

Paper: Perez, Gangnet, Blake (2003), "Poisson image editing", ACM Transactions on Graphics 22(3): the discrete equation
    (7), solved exactly by one sparse factorisation for all channels.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.sparse.linalg import splu

from handful.core.labels import Mask

Plane = npt.NDArray[np.float64]


def solve_poisson(picture: Plane, across: Plane, down: Plane, inside: Mask) -> Plane:
    """The picture, redrawn inside the region.

    Args:
        picture: (h, w, c); its values around the region are met exactly.
        across: (h, w - 1, c), wanted f(y, x + 1) - f(y, x).
        down: (h - 1, w, c), wanted f(y + 1, x) - f(y, x).
        inside: (h, w), the region; it may not touch the border of the array.

    Returns:
        (h, w, c): outside the region the values of `picture`.
    """
    rows, columns = np.nonzero(inside)
    count, channels = len(rows), picture.shape[2]
    number = np.full(inside.shape, -1)
    number[rows, columns] = np.arange(count)
    known = np.zeros((count, channels))
    entries: list[tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]] = []
    # f(p) - f(q) for each of the four neighbours q of p
    wanted = (
        (0, 1, -across[rows, columns]),
        (0, -1, across[rows, columns - 1]),
        (1, 0, -down[rows, columns]),
        (-1, 0, down[rows - 1, columns]),
    )
    for below, right, difference in wanted:
        known += difference
        neighbour = number[rows + below, columns + right]
        unknown = neighbour >= 0
        entries.append((np.flatnonzero(unknown), neighbour[unknown]))
        known[~unknown] += picture[rows + below, columns + right][~unknown]
    row = np.concatenate([np.arange(count), *(one for one, _ in entries)])
    column = np.concatenate([np.arange(count), *(other for _, other in entries)])
    value = np.concatenate([np.full(count, 4.0), np.full(len(row) - count, -1.0)])
    matrix = sparse.csc_matrix((value, (row, column)), shape=(count, count))
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    solved = picture.copy()
    solved[rows, columns] = solver.solve(known)
    return solved


def differences(picture: Plane) -> tuple[Plane, Plane]:
    """(h, w, c) -> its differences across (h, w - 1, c) and down (h - 1, w, c)."""
    return np.diff(picture, axis=1), np.diff(picture, axis=0)
