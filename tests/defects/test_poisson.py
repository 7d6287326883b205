"""The seamless solution against a dense solve, and what follows from the equation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from handful.core.labels import Mask
from handful.defects.poisson import differences, solve_poisson


def brute_force(picture: npt.NDArray[np.float64], across: npt.NDArray[np.float64], down: npt.NDArray[np.float64],
                inside: Mask) -> npt.NDArray[np.float64]:  # fmt: skip
    """Least squares over every pair of neighbours of which one or both are inside, pixel by pixel."""
    cells = [(int(y), int(x)) for y, x in np.argwhere(inside)]
    number = {cell: row for row, cell in enumerate(cells)}
    solved = picture.copy()
    for channel in range(picture.shape[2]):
        equations, right = [], []
        for y in range(picture.shape[0]):
            for x in range(picture.shape[1]):
                for other, wanted in (((y, x + 1), across), ((y + 1, x), down)):
                    if other[0] >= picture.shape[0] or other[1] >= picture.shape[1]:
                        continue
                    if (y, x) not in number and other not in number:
                        continue
                    row, value = np.zeros(len(cells)), float(wanted[y, x, channel])
                    for cell, sign in ((other, 1.0), ((y, x), -1.0)):
                        if cell in number:
                            row[number[cell]] = sign
                        else:
                            value -= sign * picture[(*cell, channel)]
                    equations.append(row)
                    right.append(value)
        answer = np.linalg.lstsq(np.array(equations), np.array(right), rcond=None)[0]
        for cell, value in zip(cells, answer, strict=True):
            solved[(*cell, channel)] = value
    return solved


def test_the_solution_is_that_of_a_dense_solve_for_an_odd_region_and_any_gradients() -> None:
    random = np.random.default_rng(0)
    inside = np.zeros((11, 13), bool)
    inside[1:10, 1:12] = random.random((9, 11)) < 0.7  # holes, islands, the array's rim
    picture = random.normal(100, 20, (11, 13, 2))
    across, down = random.normal(0, 5, (11, 12, 2)), random.normal(0, 5, (10, 13, 2))  # no picture has such gradients
    solved = solve_poisson(picture, across, down, inside)
    np.testing.assert_allclose(solved, brute_force(picture, across, down, inside), atol=1e-8)
    np.testing.assert_array_equal(solved[~inside], picture[~inside])


def test_a_pictures_own_gradients_give_it_back_and_a_constant_does_not_matter() -> None:
    random = np.random.default_rng(1)
    picture = random.normal(100, 20, (20, 24, 3))
    inside = np.zeros((20, 24), bool)
    inside[4:15, 5:19] = True
    np.testing.assert_allclose(solve_poisson(picture, *differences(picture), inside), picture, atol=1e-9)
    np.testing.assert_allclose(solve_poisson(picture, *differences(picture + 40), inside), picture, atol=1e-9)
