"""A small encoder and decoder, trained here from scratch to mark the pixels of each kind of defect.

Paper: Ronneberger, Fischer, Brox (2015), "U-Net: Convolutional Networks for Biomedical Image Segmentation", arXiv
    1505.04597, for the shape; Milletari, Navab, Ahmadi (2016), "V-Net", arXiv 1606.04797, section 3, for the Dice loss.
Differs: three halvings, padded convolutions, group norm, bilinear enlarging; cross-entropy and Dice are added. An image
    is as defective as the mean of its most defective pixels.
Good for: defects that were outlined: every pixel teaches, so few photos go far, and it says where.
Weak at: outlines that are rough or missing; defects that cannot be told from a neighbourhood of some 60 pixels.
Origin: written here from the papers.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from handful.core.config import Settings
from handful.core.images import Floats
from handful.inspection.augment import Mirror
from handful.inspection.base import Inspector, InspectorFacts, Predictions, Weights, usable_rows
from handful.inspection.gradient import (
    ConvNormRelu,
    Standardise,
    balanced_shares,
    hide_unseen,
    initialise,
    predict_network,
    train_network,
)
from handful.inspection.labelled_set import LabelledSet

FACTS = InspectorFacts(tasks=("binary", "kinds", "masks"), good_only=False, goes_on=True, needs_masks=True)

_GOOD_AT_FIRST = 4.0  # logit: few pixels are defective, which need not be learnt


class SegmenterSettings(Settings):
    """Budget, size and augmentation. All defaults are ours."""

    steps: int = Field(300, ge=1)
    """Batches of one `fit`."""
    batch_images: int = Field(8, ge=2)
    """Images of a batch; good ones are half of it, kinds share the rest."""
    learning_rate: float = Field(0.002, gt=0, le=1)
    """AdamW's highest rate."""
    width: int = Field(12, ge=4, le=256)
    """Channels at the first resolution; each of the three halvings doubles them."""
    augment: float = Field(1.0, ge=0, le=4)
    """Strength of the classical augmentation; 0 leaves it out."""
    mirror: Mirror = "none"
    """Along which sides half of the images are mirrored; none where left and right differ on the station."""
    top_share: float = Field(0.002, gt=0, le=1)
    """Share of an image's pixels, the most defective ones, whose mean is the image's score."""


class SegmenterNetwork(nn.Module):
    """(n, c, h, w) -> logits (n, 1 + k, h, w)."""

    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        wide = [width * 2**level for level in range(4)]
        self.down = nn.ModuleList(
            nn.Sequential(ConvNormRelu(before, after, 1 if level == 0 else 2), ConvNormRelu(after, after))
            for level, (before, after) in enumerate(zip([channels, *wide], wide, strict=False))
        )
        self.up = nn.ModuleList(ConvNormRelu(wide[level + 1] + wide[level], wide[level]) for level in (2, 1, 0))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for stage in self.down:
            x = stage(x)
            maps.append(x)
        for stage, skipped in zip(self.up, maps[-2::-1], strict=True):
            x = F.interpolate(x, skipped.shape[2:], mode="bilinear", align_corners=False)
            x = stage(torch.cat([x, skipped], dim=1))
        logits: Tensor = self.head(x)
        return logits


class Segmenter(Inspector):
    """Cross-entropy and Dice over the pixels."""

    settings_class = SegmenterSettings

    def __init__(self, settings: SegmenterSettings, seed: int, device: str = "cpu", cache: Path | None = None) -> None:
        super().__init__(settings, seed, device, cache)
        self.settings = settings
        self._network: nn.Module | None = None
        self._fits = 0
        self._seen: set[int] = set()

    def fit(self, train: LabelledSet, weights: Weights | None = None) -> None:
        """As `Inspector.fit`; a second call goes on with the weights of the first and a schedule of its own.

        Raises:
            UserError: no masks, or too few images.
        """
        rows = usable_rows("segmenter", FACTS, train, weights)
        train = train.take(rows)
        if self._network is None:
            network = SegmenterNetwork(train.images.shape[1], 1 + len(train.kinds), self.settings.width)
            initialise(network, self.seed, "inspection/segmenter")
            with torch.no_grad():
                network.head.get_parameter("bias")[0] = _GOOD_AT_FIRST
            self._network = nn.Sequential(Standardise(train.images), network)
            self._network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        train_network(
            self._network,
            train,
            balanced_shares(train.labels, None if weights is None else weights[rows]),
            self.settings,
            pixel_loss,
            self.seed,
            "inspection/segmenter/batches",
            self._fits,
            self.device,
        )
        self._fits += 1
        self._seen |= set(train.labels.tolist())

    def predict(self, images: Floats) -> Predictions:
        """As `Inspector.predict`; maps hold the log of the odds of any defect, `defect` the mean of their top, and
        `kinds` the mean of the probabilities there."""
        assert self._network is not None, "fit comes first"
        logits = hide_unseen(predict_network(self._network, images, self.device), self._seen)
        maps = torch.logsumexp(logits[:, 1:], dim=1) - logits[:, 0]  # (n, h, w)
        top = max(1, round(self.settings.top_share * maps[0].numel()))
        values, places = maps.flatten(1).topk(top, dim=1)
        chances = torch.softmax(logits.double(), dim=1).flatten(2)  # (n, 1 + k, h * w)
        kinds = chances.gather(2, places[:, None].expand(-1, chances.shape[1], -1)).mean(2)
        return Predictions(values.double().mean(1).numpy(), kinds.numpy(), np.asarray(maps))


def pixel_loss(logits: Tensor, labels: Tensor, masks: Tensor | None) -> Tensor:
    """Cross-entropy over all pixels plus, for the kinds in the batch, 1 minus the Dice overlap over the batch.

    Args:
        logits: (b, 1 + k, h, w).
        labels: unused; pixels say more.
        masks: (b, h, w), 0 or a kind.
    """
    assert masks is not None, "usable_rows refuses sets without masks"
    masks = masks.long()
    entropy = F.cross_entropy(logits, masks)
    found = torch.softmax(logits, dim=1)[:, 1:]
    truth = F.one_hot(masks, logits.shape[1]).movedim(3, 1)[:, 1:].to(found.dtype)
    overlap, total = (found * truth).sum((0, 2, 3)), (found + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    if not present.any():
        return entropy
    return entropy + (1 - 2 * overlap / total)[present].mean()
