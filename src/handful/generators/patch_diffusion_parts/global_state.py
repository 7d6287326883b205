"""The light of a whole sample, drawn once: a mixture of photos at the coarsest level with the photos' own spread.

Pure local diffusion gives far-apart regions unrelated light. A convex mixture of photos
agrees with itself everywhere, but averaging shrinks its spread. So every principal component of the mixture's
distance from the mean is scaled until its standard deviation is that of the photos (the smoothed bootstrap with
corrected variance; Silverman and Young 1987, done for each component). Near-duplicates count as one photo: a mixture of
two of them would be a third.

Where the two main ways in which photos differ (the light, a slow drift) explain most of it, any mixture resembles one
of its photos: what is left of that one comes along. Two different photos share a main way by chance and nothing else.
So the main ways then come from one mixture and all others from a second, of other photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.seeds import torch_stream

_TRIALS = 2048
"""Mixtures from which the shrinkage of each component is measured; its error is then about 2 %."""
_MOST_STRETCH = 2.0
_MAIN_WAYS = 2
"""Principal components that are drawn on their own where they explain at least half of the photos' variance."""
_LEAST_TO_PART = 12
"""With fewer photos than this, too few would be left for the finer levels if four were mixed."""
_TRIES = 32


@dataclass(frozen=True)
class GlobalState:
    """What a seed decided for a whole sample."""

    shares: Tensor
    """(n,): the coarsest level is the photos' mean plus the sum of shares times (photo - mean)."""
    mixed: Tensor
    """Indices of the photos that were mixed; those of the first mixture first."""
    mix_weights: Tensor
    """(mixed,): weights of the first mixture, which sum to 1; 0 for photos of the second."""

    @classmethod
    def of_one(cls, index: int, count: int) -> GlobalState:
        """The state of a photo itself."""
        shares = torch.zeros(count)
        shares[index] = 1
        return cls(shares, torch.tensor([index]), torch.ones(1))


class GlobalStates:
    """Draws global states from the photos at the coarsest level."""

    def __init__(self, photos: Tensor, groups: Tensor, mixture_photos: int, nearest: int | None, most: float) -> None:
        """Args:
        photos: (n, c, h, w) at the coarsest level.
        groups: (n,): near-duplicates share a number.
        mixture_photos: how many are mixed, each of another group; fewer where there are fewer groups to choose from.
        nearest: among how many groups nearest to the first photo the others are chosen, of each its nearest photo.
            None: all groups.
        most: largest share of one photo; where it is below an equal share, all have that.
        """
        flat = photos.double().flatten(1)
        deviations = flat - flat.mean(0)
        self.count = len(photos)
        others = len(set(groups.tolist())) - 1
        self.mixed = min(mixture_photos, 1 + (others if nearest is None else min(nearest, others)))
        self._even = min(1.0, (1 - most) / (1 - 1 / self.mixed)) if self.mixed > 1 else 0.0
        self._nearest = _nearest_of_others(torch.cdist(deviations, deviations).cpu(), groups.cpu(), nearest)
        self._groups = groups.cpu()
        self._main, self._rest = self._measure_stretch(deviations)  # (n, n) twice
        parts = self.count >= _LEAST_TO_PART and others + 1 >= 2 * self.mixed and self.mixed > 1
        self._parted = parts and float(self._main.trace()) > 0

    def draw(self, random: torch.Generator) -> GlobalState:
        shares, mixed = self._mix(random)
        if not self._parted:
            return GlobalState((shares @ (self._main + self._rest)).float(), mixed, shares[mixed].float())
        for _ in range(_TRIES):
            more, others = self._mix(random)
            if not bool(torch.isin(self._groups[others], self._groups[mixed]).any()):
                break
        both = torch.cat([mixed, others[~torch.isin(others, mixed)]])
        return GlobalState((shares @ self._main + more @ self._rest).float(), both, shares[both].float())

    def _mix(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Shares (n,) of a mixture, and the indices of its photos."""
        mixed, chances = self._pick(random)
        return self._shares(mixed, chances), mixed

    def _pick(self, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Indices of a photo and some of its nearest, and a uniform random number for each."""
        first = torch.randint(self.count, (1,), generator=random)
        near = self._nearest[int(first)]
        others = near[torch.randperm(len(near), generator=random)[: self.mixed - 1]]
        mixed = torch.cat([first, others])
        return mixed, torch.rand(len(mixed), generator=random, dtype=torch.float64)

    def _shares(self, mixed: Tensor, chances: Tensor) -> Tensor:
        """Dirichlet(1) weights, drawn towards equal ones: (..., mixed) twice -> (..., n)."""
        weights = -chances.clamp(min=1e-12).log()
        weights = (1 - self._even) * weights / weights.sum(-1, keepdim=True) + self._even / mixed.shape[-1]
        shares = torch.zeros(*mixed.shape[:-1], self.count, dtype=torch.float64)
        return shares.scatter_(-1, mixed, weights)

    def _measure_stretch(self, deviations: Tensor) -> tuple[Tensor, Tensor]:
        """Matrices (n, n) from shares of a mixture to shares of the state whose spread is the photos': along the main
        ways, zero where these do not stand out, and along all others. Their sum is for a single mixture."""
        none = torch.zeros(self.count, self.count, dtype=torch.float64)
        if self.count < 3 or self.mixed < 2:
            return none, torch.eye(self.count, dtype=torch.float64)
        gram = (deviations @ deviations.T).cpu()
        values, vectors = torch.linalg.eigh(gram)
        kept = values > values[-1] * 1e-8
        values, vectors = values[kept], vectors[:, kept]  # (r,), (n, r)
        coordinates = vectors * values.sqrt()  # (n, r): of the photos along each component
        random = torch_stream(0, "patch_diffusion/stretch")
        picks = [self._pick(random) for _ in range(_TRIALS)]
        mixed, chances = (torch.stack(parts) for parts in zip(*picks, strict=True))
        trials = self._shares(mixed, chances) @ coordinates
        wanted = coordinates.square().sum(0) / (self.count - 1)
        stretch = (wanted.sqrt() / trials.std(0)).clamp(1.0, _MOST_STRETCH)
        # coordinates c' = stretch * c; as shares of photos: c' / sqrt(value) along each vector
        back = vectors / values.sqrt()
        main = len(values) - _MAIN_WAYS
        if main < 1 or values[main:].sum() < values.sum() / 2:
            return none, (coordinates * stretch) @ back.T
        along = coordinates * stretch
        return along[:, main:] @ back[:, main:].T, along[:, :main] @ back[:, :main].T


def _nearest_of_others(distances: Tensor, groups: Tensor, nearest: int | None) -> Tensor:
    """For each photo the nearest photos of the `nearest` nearest other groups, one of each: (n, at most nearest)."""
    rows = []
    for own, order in zip(groups.tolist(), distances.argsort(1).tolist(), strict=True):
        first_of: dict[int, int] = {}
        for photo in order:
            first_of.setdefault(int(groups[photo]), photo)
        del first_of[own]
        rows.append(list(first_of.values())[:nearest])
    return torch.tensor(rows, dtype=torch.long)
