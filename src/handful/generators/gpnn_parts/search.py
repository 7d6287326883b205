"""Exact nearest neighbours among patches, found from a few of their principal components.

Patches are rotated onto the principal axes of one set. Their first d coordinates and the length of the rest make a
vector of d + 1 numbers, and the squared distance of two such vectors is a lower bound of the patches' own (the rests
differ by at least the difference of their lengths). So one thin matrix product bounds all pairs from below, and only
pairs whose bound lies below the distance of a pair already known are measured in full: one by one where they are few,
else by products. Nothing is approximate but the rounding of float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

_AXES = 13
"""Principal axes of the bound: more exclude more, and cost more. With the rest's length, and what makes a distance of a
product, 3 columns more."""
_BLOCK_BYTES = 4_000_000
"""Of bounds at once, so that they stay in a core's cache."""
_GROUP = 32
"""Neighbouring columns; they are looked at one by one only where the least bound among them is low enough."""
_PAIRS_AT_ONCE = 4_096
_PAIR, _KEY = 30, 25
"""What measuring a pair alone costs, and fetching a key for a block of rows, in distances by a product."""
_SAME = 1e-11
"""Squared distance below which patches are the same but for the rounding of values of about 1."""
_SHRINK, _ENLARGE = 1 - 2e-5, 1 + 1e-5
"""Of squared lengths in the bounds, and of what they are held against: more than float32 rounds. Squared lengths of
coordinates are off by up to 5e-6."""


@dataclass(frozen=True)
class PatchSet:
    """Patches, and their coordinates for the bound."""

    patches: Tensor
    """(n, values), shifted by the basis' mean."""
    short: Tensor
    """(n, d + 1): coordinates on the principal axes, and the length of the rest."""
    squares: Tensor
    """(n,): squared length of the whole."""

    def __len__(self) -> int:
        return len(self.patches)


class Basis:
    """Mean and principal axes of a set of patches."""

    def __init__(self, patches: Tensor) -> None:
        """Args:
        patches: (n, values).
        """
        self.mean = patches.mean(0)
        centred = (patches - self.mean).double().cpu()
        axes = torch.linalg.eigh(centred.T @ centred).eigenvectors.flip(1)  # largest variance first
        self.axes = axes.to(patches)

    def describe(self, patches: Tensor) -> PatchSet:
        """Patches (n, values) with what the bound needs."""
        centred = patches - self.mean
        squares = centred.square().sum(1)
        along = centred @ self.axes[:, :_AXES]
        # not as the root of a difference: of flat patches that is rounding, which a long rest of the other multiplies
        rest = torch.linalg.vector_norm(centred @ self.axes[:, _AXES:], dim=1)
        return PatchSet(centred, torch.cat([along, rest[:, None]], dim=1), squares)


def nearest(
    queries: PatchSet, keys: PatchSet, weights: Tensor | None = None, guess: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """For each query the key of least weighted squared distance; of equal ones the first.

    Args:
        queries: n of them.
        keys: m of them, of the same basis.
        weights: (m,) positive; what a key's squared distances are multiplied by. None: 1.
        guess: (n,) a key for each query, the nearer the faster, kept where it is a copy; None: the one of the least
            bound.

    Returns:
        (n,) indices of keys, and (n,) the weighted squared distances.
    """
    weights = torch.ones_like(keys.squares) if weights is None else weights
    # times (a query's coordinates, its squared length, 1): the bounds with the keys' weights
    columns = torch.cat([-2 * keys.short.T, torch.full_like(weights, _SHRINK)[None], _SHRINK * keys.squares[None]])
    columns = F.pad(columns * weights, (0, -len(keys) % _GROUP))
    columns[-1, len(keys) :] = torch.inf
    rows = max(1, _BLOCK_BYTES // (4 * columns.shape[1]))
    space = columns.new_empty(rows, columns.shape[1])  # fresh memory for each block would cost as much as the product
    found = torch.empty(len(queries), dtype=torch.long, device=weights.device)
    least = torch.empty_like(queries.squares)
    for first in range(0, len(queries), rows):
        block = slice(first, first + rows)
        patches, squares = queries.patches[block], queries.squares[block, None]
        coordinates = torch.cat([queries.short[block], squares, torch.ones_like(squares)], dim=1)
        bounds = torch.mm(coordinates, columns, out=space[: len(patches)])
        bounds = bounds.view(len(patches), -1, _GROUP)
        lowest = bounds.amin(2)
        start = _least(bounds, lowest) if guess is None else guess[block]
        known = _measure(patches, keys.patches, weights, None, start)
        row, key = _candidates(bounds, lowest, _worth_beating(known, weights[start]))
        near = _distinct(key, len(keys))
        if _products_pay(near, patches, row):  # a bound by all values, which also finds a better start
            full = torch.addmm(_SHRINK * keys.squares[near], patches, keys.patches[near].T, alpha=-2)
            full = full.add_(_SHRINK * squares).mul_(weights[near])
            other = near[full.argmin(1)]
            distances = _measure(patches, keys.patches, weights, None, other)
            start, known = torch.where(distances < known, other, start), torch.minimum(distances, known)
            row, place = (full <= _worth_beating(known, weights[start])[:, None]).nonzero(as_tuple=True)
            key = near[place]
            near = _distinct(key, len(keys))
        if _products_pay(near, patches, row):
            near = _distinct(torch.cat([near, start]), len(keys))
            found[block] = near[_nearest_of(patches, keys.patches[near], weights[near])]
            least[block] = _measure(patches, keys.patches, weights, None, found[block])
        else:
            distances = _measure(patches, keys.patches, weights, row, key)
            best = known.scatter_reduce(0, row, distances, "amin")  # the known key counts, whatever its bound
            first_key = torch.where(distances == best[row], key, len(keys))
            at_hand = torch.where(known == best, start, len(keys))
            found[block] = at_hand.scatter_reduce(0, row, first_key, "amin")
            least[block] = best
    return found, least


def _least(bounds: Tensor, lowest: Tensor) -> Tensor:
    """The place of the least of each row's bounds (n, groups, members), whose least in each group is known."""
    group = lowest.argmin(1)
    return group * _GROUP + bounds[torch.arange(len(group), device=group.device), group].argmin(1)


def _candidates(bounds: Tensor, lowest: Tensor, most: Tensor) -> tuple[Tensor, Tensor]:
    """Rows and places of the bounds (n, groups, members) that are not above a number for each row (n,)."""
    row, group = (lowest <= most[:, None]).nonzero(as_tuple=True)
    pair, member = (bounds[row, group] <= most[row, None]).nonzero(as_tuple=True)
    return row[pair], group[pair] * _GROUP + member


def _worth_beating(known: Tensor, weights: Tensor) -> Tensor:
    """What bounds are held against where distances (n,) are known to occur; copies are not looked for any further."""
    return torch.where(known < _SAME * weights, -torch.inf, known * _ENLARGE)


def _distinct(places: Tensor, count: int) -> Tensor:
    """Those of the numbers below `count` that occur, in rising order."""
    if 8 * len(places) < count:
        ordered = places.sort().values
        return ordered[F.pad(ordered.diff() > 0, (1, 0), value=True)] if len(ordered) else ordered
    there = torch.zeros(count, dtype=torch.bool, device=places.device)
    there[places] = True
    return there.nonzero()[:, 0]


def _products_pay(near: Tensor, queries: Tensor, pairs: Tensor) -> bool:
    """Whether measuring some keys for all queries by a product is cheaper than those pairs one by one."""
    return len(near) * (len(queries) + _KEY) < len(pairs) * _PAIR


def _nearest_of(queries: Tensor, keys: Tensor, weights: Tensor) -> Tensor:
    """(n,): for each of queries (n, values) the key (m, values) of least weighted squared distance; of equal ones the
    first. By products in float64: in float32 they round away what is far smaller than the patches themselves."""
    wide, narrow = (patches.cpu().double() if patches.is_mps else patches.double() for patches in (queries, keys))
    distances = torch.addmm(narrow.square().sum(1), wide, narrow.T, alpha=-2).add_(wide.square().sum(1, keepdim=True))
    return (distances.clamp_(min=_SAME).to(weights) * weights).argmin(1)


def _measure(queries: Tensor, keys: Tensor, weights: Tensor, row: Tensor | None, key: Tensor) -> Tensor:
    """Weighted squared distances (pairs,) of pairs of a row of queries and one of keys; row None: 0, 1, 2, ..."""
    found = torch.empty(len(key), device=keys.device)
    for first in range(0, len(key), _PAIRS_AT_ONCE):
        some = slice(first, first + _PAIRS_AT_ONCE)
        difference = keys[key[some]]
        difference -= queries[some] if row is None else queries[row[some]]
        found[some] = difference.square_().sum(1) * weights[key[some]]
    return found
