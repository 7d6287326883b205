"""A fleet: one SinGAN for each photo, trained one after the other by a plan that only the budget decides."""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from handful.generators.base import Clock

_ROUNDING = 1e-9


def stage_due(clock: Clock, members: int, costs: Sequence[float]) -> tuple[int, float]:
    """Which scale of which member is due, as member * scales + scale, and which share of its time has passed.

    Args:
        members: photos.
        costs: of a step at each scale, coarsest first, in any unit.
    """
    shares = scale_shares(clock, costs)
    edges = [0.0, *accumulate(shares)]
    place = min(clock.progress, 1.0) * members + _ROUNDING
    member = min(int(place), members - 1)
    scale = min(bisect_right(edges, place - member), len(costs)) - 1
    return member * len(costs) + scale, (place - member - edges[scale]) / shares[scale]


def scale_shares(clock: Clock, costs: Sequence[float]) -> list[float]:
    """The share of each scale in its member's share of the budget; they sum to 1.

    Every member gets an equal share of the budget. Where that counts steps, so does every scale. Where it is a
    time, scales share it in proportion to the square root of what a step costs: equal times would leave the finest
    scale a handful of steps, equal steps would leave the coarse ones too few.
    """
    shares = [1.0 if _counts_steps(clock) else math.sqrt(cost) for cost in costs]
    return [share / sum(shares) for share in shares]


def mean_cost(costs: Sequence[float], timed: bool) -> float:
    """Of a step, over a whole budget: of steps, or of a time, which is shared by the square root of the cost."""
    if timed:
        roots = [math.sqrt(cost) for cost in costs]
        return sum(roots) / sum(1 / root for root in roots)
    return sum(costs) / len(costs)


def _counts_steps(clock: Clock) -> bool:
    """Whether progress is step / steps for a whole number of steps, and not a share of time."""
    if not clock.progress:
        return True  # the first step: the coarsest scale is due either way
    steps = clock.step / clock.progress
    return math.isclose(steps, round(steps), rel_tol=1e-12)


class Position:
    """Where training stands. It holds the run's seed too, for a run is resumed in a generator of any seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.stage = 0
        """member * scales + scale of the networks in training."""
        self.iteration = 0
        """Iterations done in this stage."""
        self.began = 0.0
        """Share of the budget used when this stage began."""
        self.levelled_at = 0
        """The iteration of this stage at which its losses no longer fell; 0 while they do."""
        self.sums = (0.0, 0.0)
        """Of reconstruction error and critic difference, over the present window of iterations."""
        self.sums_before = (0.0, 0.0)
        """The same of the window before."""

    def advance(self, progress: float) -> None:
        """Goes to the next stage, at this share of the budget."""
        fresh = Position(self.seed)
        fresh.stage, fresh.began = self.stage + 1, progress
        vars(self).update(vars(fresh))

    def state_dict(self) -> dict[str, Any]:
        return dict(vars(self))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        vars(self).update(state_dict)


class Fleet(nn.Module):
    """What must be kept of every member. A checkpoint restores it without the photos' folder."""

    photos: Tensor
    """(members, c, h, w) at the finest scale."""
    noise_weights: Tensor
    """(members, scales), 0 where training has not come yet."""
    trained: Tensor
    """(members done, weights): the generators of every scale, flattened, in the order of their parameters."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("photos", "noise_weights", "trained"):
            self.register_buffer(name, torch.empty(0))

    def fill(self, photos: Tensor, generators: nn.Module, scales: int) -> None:
        self.photos = photos.detach().clone()
        self.noise_weights = torch.zeros(len(photos), scales, device=photos.device)
        self.noise_weights[:, 0] = 1
        self.trained = torch.empty(0, sum(weight.numel() for weight in generators.parameters()), device=photos.device)

    def keep(self, generators: nn.Module) -> None:
        """Appends the weights of the member whose training has ended."""
        weights = [weight.detach().reshape(-1) for weight in generators.parameters()]
        self.trained = torch.cat([self.trained, torch.cat(weights)[None]])

    def weights_of(self, member: int, generators: nn.ModuleList) -> list[dict[str, Tensor]]:
        """The weights of a member whose training has ended: for each scale, name -> tensor."""
        row, start, scales = self.trained[member], 0, []
        for generator in generators:
            scale = {}
            for name, weight in generator.named_parameters():
                scale[name] = row[start : start + weight.numel()].view(weight.shape)
                start += weight.numel()
            scales.append(scale)
        return scales

    def fingerprint(self, member: int) -> str:
        """SHA-256 of the member's photo, so that its random numbers do not depend on the others."""
        return hashlib.sha256(self.photos[member].cpu().contiguous().numpy().tobytes()).hexdigest()

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *rest: Any) -> None:
        for name, own in list(self.named_buffers()):
            if (stored := state_dict.get(prefix + name)) is not None:
                setattr(self, name, torch.empty_like(stored, device=own.device))  # takes the stored count and size
        super()._load_from_state_dict(state_dict, prefix, *rest)
