"""All scales of one photo's SinGAN: its reconstruction, and the noise that samples take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from handful.core.seeds import torch_stream
from handful.generators.singan_parts.scale import Draw, draw_up


@dataclass(frozen=True)
class Scales:
    """Of one photo, coarsest first: all of them, or those that training has reached."""

    generators: Sequence[Draw]
    widths: Sequence[int]
    """Channels inside each generator."""
    sizes: Sequence[tuple[int, int]]
    """(height, width) of each, in pixels."""
    noise_weights: Tensor
    """(scales,)"""
    fixed_noise: Sequence[Tensor]
    """What the reconstruction adds at each scale."""
    photo: Tensor
    """(1, c, h, w) at the size of the last."""

    @property
    def last(self) -> int:
        return len(self.generators) - 1

    def reconstruct(self, count: int) -> Tensor:
        """The photo as the `count` coarsest scales redraw it, (1, c, h, w) at the size of the last of them; zeros of
        the coarsest size for none. float32, whatever the precision of training."""
        blank = torch.zeros(1, self.photo.shape[1], *self.sizes[0], device=self.photo.device)
        with torch.autocast(self.photo.device.type, enabled=False):
            return draw_up(self.generators[:count], self.fixed_noise[:count], self.sizes[:count], blank)

    def noise(
        self, scale: int, size: tuple[int, int], random: torch.Generator, count: int = 1, strength: float = 1.0
    ) -> Tensor:
        """Fresh noise of a scale with its weight, (count, c, *size); at the coarsest the same for all channels."""
        channels = self.photo.shape[1] if scale else 1
        drawn = torch.randn(count, channels, *size, generator=random).to(self.photo.device)
        return self.noise_weights[scale] * strength * drawn

    def fresh_noises(
        self, start: int, sizes: Sequence[tuple[int, int]], seeds: Sequence[int], strengths: Sequence[float] = ()
    ) -> list[Tensor]:
        """What samples take at the scales from `start` on: of each scale (len(seeds), c, *size), with its weight.

        Args:
            start: the first of these scales.
            sizes: (height, width) of the sample at each of them.
            seeds: each decides its own sample's noise.
            strengths: by scale, from scale 0 on, over the usual; 1 for those left out.
        """
        noises = []
        for scale, size in enumerate(sizes, start):
            strength = strengths[scale] if scale < len(strengths) else 1.0
            streams = [torch_stream(seed, "singan/noise", scale) for seed in seeds]
            noises.append(torch.cat([self.noise(scale, size, stream, strength=strength) for stream in streams]))
        return noises
