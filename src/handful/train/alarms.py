"""Alarms: training that diverges or collapses, noticed early and said in words.

Divergence is a loss or weight that is no longer a number, or a loss far above anything it was.
Collapse is samples that look all alike although the photos differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from handful.generators.base import Generator

_DECAY = 0.99
_LEAST_LOSS_SCALE = 1.0
_DIVERGED_FACTOR = 1000.0
_COLLAPSE_SIDE_PX = 32
_COLLAPSE_CHECKS = 3
_COLLAPSE_FROM_PROGRESS = 0.25
_COLLAPSE_FROM_IMAGES = 1000  # before that, samples are rough whatever the method
_MOST_PHOTOS_COMPARED = 100


@dataclass
class DivergenceWatch:
    """Follows each loss. Its scale is the running mean of its absolute value, at least 1: images lie in
    [-1, 1], so that a healthy loss that has been tiny for long may come back to order 1."""

    scales: dict[str, float] = field(default_factory=dict)

    def check(self, losses: Mapping[str, float]) -> str | None:
        """What is wrong with the losses of a step, in words; None where nothing is."""
        for name, value in losses.items():
            if not math.isfinite(value):
                return f"the loss {name} is {value}"
            scale = max(_LEAST_LOSS_SCALE, self.scales.get(name, math.inf))
            if abs(value) > _DIVERGED_FACTOR * scale:
                return f"the loss {name} is {value:.3g}, over {_DIVERGED_FACTOR:.0f} times its usual {scale:.3g}"
            before = self.scales.get(name, abs(value))
            self.scales[name] = _DECAY * before + (1 - _DECAY) * abs(value)
        return None


Verdict = Literal["not judged", "healthy", "alike", "collapsed"]


@dataclass
class CollapseWatch:
    """Judges samples of fixed seeds, from a quarter of the budget and 1000 images on."""

    least_distance: float
    """Samples closer to each other than this are alike: a share of the distance between photos. 0: never."""
    alike_in_a_row: int = 0
    distance: float = math.inf
    """Mean distance of the samples last judged."""

    def judge(self, samples: Tensor, images: int, progress: float) -> Verdict:
        """Judges samples (n, c, h, w); three times alike in a row is a collapse.

        Args:
            images: photos seen so far.
            progress: share of the budget used.
        """
        too_early = images < _COLLAPSE_FROM_IMAGES or progress < _COLLAPSE_FROM_PROGRESS
        if too_early or self.least_distance <= 0 or len(samples) < 2:
            return "not judged"
        self.distance = mean_distance(samples)
        self.alike_in_a_row = self.alike_in_a_row + 1 if self.distance < self.least_distance else 0
        if self.alike_in_a_row >= _COLLAPSE_CHECKS:
            return "collapsed"
        return "alike" if self.alike_in_a_row else "healthy"

    def words(self) -> str:
        """What is wrong, as part of a sentence."""
        return (
            f"samples of different seeds look alike: they differ by {self.distance:.2g} on average, "
            f"and photos like these let expect at least {self.least_distance:.2g}"
        )


def mean_distance(images: Tensor) -> float:
    """Mean over all pairs of the root-mean-square difference of images (n, c, h, w), at 32 px long side; n >= 2."""
    shrink = min(1.0, _COLLAPSE_SIDE_PX / max(images.shape[-2:]))
    height, width = (max(1, round(side * shrink)) for side in images.shape[-2:])
    small = F.adaptive_avg_pool2d(images[:_MOST_PHOTOS_COMPARED].float().cpu(), (height, width)).flatten(1)
    return float(torch.pdist(small).mean()) / math.sqrt(small.shape[1])


def weights_are_finite(generator: Generator) -> bool:
    """Whether every parameter of every network is a number."""
    return all(
        bool(torch.isfinite(parameter).all())
        for module in generator.modules().values()
        if isinstance(module, torch.nn.Module)
        for parameter in module.parameters()
    )
