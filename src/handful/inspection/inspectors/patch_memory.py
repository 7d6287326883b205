"""Anomaly detection by a memory of good patches: a part is as odd as its oddest patch is far from all of them.

Paper: Roth, Pemula, Zepeda, Schölkopf, Brox, Gehler (2021), "Towards Total Recall in Industrial Anomaly Detection"
    (PatchCore), arXiv 2106.08265: section 3.1 (locally aware mid-level patches), 3.2 (greedy coreset under a random
    projection), 3.3 and equation 7 (distance with reweighting, map).
Differs: the network is EfficientNet-Lite0, whose weights lie in an installed package, at strides 8 and 16, where the
    paper has a wide ResNet 50; the memory has a largest size, and candidates for it are drawn where patches are very
    many.
Good for: stations where all that is known is what good looks like; says where.
Weak at: defects smaller than a patch (8 pixels at `side_px`), and parts whose place or pose varies.
Origin: written here from the paper.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from handful.core.config import Settings
from handful.core.images import Floats
from handful.core.seeds import torch_stream
from handful.features.maps import MapExtractor
from handful.inspection.base import Inspector, InspectorFacts, Predictions, Weights, usable_rows
from handful.inspection.labelled_set import LabelledSet

FACTS = InspectorFacts(
    tasks=("binary", "masks", "anomaly"), good_only=True, network="efficientnet-lite0-stages", least_defective=0
)

_LAYERS = ("stride-8", "stride-16")
_IMAGES = 16  # whose patches are held at once
_QUERIES = 1024  # patches compared with the memory at once
_SMOOTH_SHARE = 4 / 224  # of the short side: the paper's 4 pixels of 224


class PatchMemorySettings(Settings):
    """Resolution and size of the memory."""

    side_px: int = Field(224, ge=32, le=2048)
    """Images are resized so that their shorter side is this long; the paper's."""
    memory_share: float = Field(0.1, gt=0, le=1)
    """Share of all good patches that is kept; the paper's middle choice."""
    most_patches: int = Field(10_000, ge=1)
    """Largest memory; ours."""
    most_candidates: int = Field(200_000, ge=1)
    """Patches that the memory is chosen from, drawn where there are more; ours."""
    projection: int = Field(64, ge=2)
    """Dimensions in which the memory is chosen; ours (the paper gives none)."""
    neighbours: int = Field(9, ge=1)
    """Of the nearest remembered patch, that tell how common it is; 1 leaves the reweighting out."""


class PatchMemory(Inspector):
    """Nearest neighbours among remembered patches of good images."""

    settings_class = PatchMemorySettings

    def __init__(
        self, settings: PatchMemorySettings, seed: int, device: str = "cpu", cache: Path | None = None
    ) -> None:
        super().__init__(settings, seed, device, cache)
        self.settings = settings
        self._extractor = MapExtractor(FACTS.network, device)
        self._memory = torch.empty(0)

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        """As `Inspector.fit`: remembers anew. Weights only leave images out; how often a patch is seen moves nothing.

        Raises:
            UserError: no good image, or the network's weights are missing.
        """
        images = train.images[usable_rows("patch_memory", FACTS, train, weights)]
        random = torch_stream(self.seed, "inspection/patch_memory")
        share = min(1.0, self.settings.most_candidates / (len(images) * self._patches_of(images[:1]).shape[1]))
        candidates = []
        for start in range(0, len(images), _IMAGES):
            patches = self._patches_of(images[start : start + _IMAGES]).flatten(0, 1)
            if share < 1:
                drawn = torch.randperm(len(patches), generator=random)[: max(1, int(share * len(patches)))]
                patches = patches[drawn.to(patches.device)]
            candidates.append(patches)
        patches = torch.cat(candidates)
        count = min(self.settings.most_patches, max(1, round(self.settings.memory_share * len(patches) / share)))
        self._memory = patches[choose_centres(patches, count, self.settings.projection, random)]

    def predict(self, images: Floats) -> Predictions:
        """As `Inspector.predict`; distances, in the network's own units."""
        assert len(self._memory), "fit comes first"
        scores, maps = [], []
        for start in range(0, len(images), _IMAGES):
            part = images[start : start + _IMAGES]
            patches = self._patches_of(part)  # (b, h' * w', d)
            distances, nearest = find_nearest(patches.flatten(0, 1), self._memory)
            distances, nearest = distances.view(len(part), -1), nearest.view(len(part), -1)
            scores.append(reweigh(patches, distances, nearest, self._memory, self.settings.neighbours).cpu())
            rows, columns = self._grid
            maps.append(spread_map(distances.view(-1, 1, rows, columns).cpu(), part.shape[2], part.shape[3]))
        return Predictions(torch.cat(scores).double().numpy(), None, np.concatenate(maps))

    def _patches_of(self, images: Floats) -> Tensor:
        """(n, c, h, w) -> (n, h' * w', d) on the device; remembers h' and w'."""
        height, width = images.shape[2:]
        zoom = self.settings.side_px / min(height, width)
        size = (round(height * zoom), round(width * zoom))
        if size != (height, width):
            enlarged = F.interpolate(torch.tensor(images), size, mode="bilinear", align_corners=False, antialias=True)
            images = enlarged.numpy()
        maps = self._extractor(images)
        patches = join_layers([torch.from_numpy(maps[layer]).to(self.device) for layer in _LAYERS])
        self._grid = (patches.shape[2], patches.shape[3])
        return patches.flatten(2).transpose(1, 2).contiguous()


def join_layers(maps: list[Tensor]) -> Tensor:
    """Maps (n, c_i, h_i, w_i), finest first -> (n, sum c_i, h_0, w_0): each place the mean over its 3 x 3 neighbours,
    coarser layers brought to the finest. Neighbours outside the image count as 0: patches at the border, of which the
    network sees less, are then less often the oddest (docs/inspectors/patch_memory.md has what that is worth)."""
    pooled = [F.avg_pool2d(one, 3, stride=1, padding=1) for one in maps]
    size = pooled[0].shape[2:]
    return torch.cat(
        [pooled[0], *(F.interpolate(one, size, mode="bilinear", align_corners=False) for one in pooled[1:])], dim=1
    )


def choose_centres(patches: Tensor, count: int, projection: int, random: torch.Generator) -> Tensor:
    """Rows of `count` patches such that no patch is far from all of them: greedily, the farthest one next.

    Args:
        patches: (n, d).
        count: at most n are chosen.
        projection: dimensions of the random projection in which distances are taken; from d on there is none.
        random: draws the projection and the first row.
    """
    n, dimensions = patches.shape
    seen = patches - patches.mean(0)
    if projection < dimensions:
        turn = torch.randn(dimensions, projection, generator=random) / projection**0.5
        seen = seen @ turn.to(seen)
    squares = seen.square().sum(1)
    chosen = torch.empty(min(count, n), dtype=torch.long)
    row = int(torch.randint(n, (1,), generator=random))
    far = torch.full((n,), torch.inf, device=patches.device)  # squared distance to the nearest centre
    for place in range(len(chosen)):
        chosen[place] = row
        # |a - b|^2 = |a|^2 + |b|^2 - 2 ab, in one pass over the patches
        torch.minimum(far, torch.addmv(squares, seen, seen[row], alpha=-2).add_(squares[row]), out=far)
        far[row] = -torch.inf
        row = int(far.argmax())
    return chosen.to(patches.device)


def find_nearest(queries: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """Distance of each query (q, d) to its nearest row of the memory (m, d), and which row that is: (q,) and (q,)."""
    centre = memory.mean(0)  # smaller numbers, so that less is lost where squares cancel
    memory, queries = memory - centre, queries - centre
    half_squares = memory.square().sum(1) / 2
    rows = torch.cat(
        [torch.addmm(half_squares, part, memory.T, alpha=-1).argmin(1) for part in torch.split(queries, _QUERIES)]
    )
    return (queries - memory[rows]).norm(dim=1), rows


def reweigh(patches: Tensor, distances: Tensor, nearest: Tensor, memory: Tensor, neighbours: int) -> Tensor:
    """Score of each image, (n,): its oddest patch's distance, less where what that patch is nearest to is itself
    lonely in the memory (equation 7).

    Args:
        patches: (n, p, d).
        distances: (n, p), to the nearest row of the memory.
        nearest: (n, p), that row.
        memory: (m, d).
        neighbours: how many rows of the memory around the nearest one count; 1: none.
    """
    each = torch.arange(len(patches), device=patches.device)
    oddest = distances.argmax(1)
    far = distances[each, oddest]
    neighbours = min(neighbours, len(memory))
    if neighbours == 1:
        return far
    rows = nearest[each, oddest]
    around = torch.cdist(memory[rows], memory).topk(neighbours, largest=False).indices  # (n, b)
    apart = (patches[each, oddest][:, None] - memory[around]).norm(dim=2)
    # exp(far) over the sum of exp(apart), with neither overflowing
    return (1 - torch.exp(far - torch.logsumexp(apart, dim=1))) * far


def spread_map(distances: Tensor, height: int, width: int) -> Floats:
    """(n, 1, h', w') -> (n, height, width): enlarged bilinearly and smoothed."""
    large = F.interpolate(distances, (height, width), mode="bilinear", align_corners=False)[:, 0].numpy()
    sigma = _SMOOTH_SHARE * min(height, width)
    smooth: Floats = ndimage.gaussian_filter(large, (0, sigma, sigma), mode="nearest")
    return smooth
