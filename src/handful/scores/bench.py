"""The bench: one protocol in one space, with its photos, ready to be asked about any set of samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal

import torch
from threadpoolctl import threadpool_limits

from handful.core import registry
from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.core.progress import Listener
from handful.features.extract import FeatureExtractor, apply_classifier, extract_features
from handful.features.image_set import Features, ImageSet
from handful.features.maps import MapExtractor
from handful.features.networks import owner_of
from handful.features.weights import find_weights
from handful.scores.base import FeatureSets, ImageSets, ScoreFacts
from handful.scores.image_sets import Photos, Samples
from handful.scores.kept import score_images
from handful.scores.protocol import PIXELS, Protocol, score_names


@dataclass(frozen=True)
class Bench:
    """Everything that stays the same from one set of samples to the next."""

    protocol: Protocol
    space: str
    """A feature network, or `pixels`."""
    photos: Photos
    device: torch.device
    kept: Path | None
    """Folder for features, and for scores on images; None keeps nothing."""
    listener: Listener

    @property
    def reference(self) -> ImageSet:
        """The photos that samples are compared with."""
        return self.photos.heldout if self.protocol.reference == "heldout" else self.photos.training

    def sets(self, samples: Samples) -> FeatureSets | ImageSets:
        """What the scores of this space are given."""
        return self._image_sets(samples) if self.space == PIXELS else self._feature_sets(samples.images)

    def usable(self, sets: FeatureSets | ImageSets) -> tuple[list[str], dict[str, UserError]]:
        """The scores to ask, and why others cannot be asked."""
        names, left_out = [], {}
        for name in score_names(self.space, self.protocol):
            facts: ScoreFacts = registry.load("scores", name).FACTS
            try:
                if facts.compares_with in ("training", "both", "sources") and not len(sets.training):
                    raise UserError(
                        "These are held-out photos, so the training photos are unknown.",
                        f"{name} compares samples with training photos.",
                        "Give the data set, or use --protocol training-v1.",
                    )
                if facts.network:
                    find_weights(owner_of(facts.network))
            except UserError as error:
                left_out[name] = error
            else:
                names.append(name)
        return names, left_out

    def ask(self, names: Sequence[str], sets: FeatureSets | ImageSets) -> tuple[list[Score], dict[str, UserError]]:
        """The scores, and why others cannot be given."""
        scores, refused = [], {}
        for name in names:
            try:
                if isinstance(sets, ImageSets):
                    with threadpool_limits(1, user_api="blas"):  # many small products: threads wait for each other
                        score = score_images(name, sets, self.kept, self.device.type)
                else:
                    score = registry.load("scores", name).score(sets)
            except UserError as error:
                refused[name] = error
                continue
            scores.append(_without_interval(score) if self.reference.all_alike else score)
            self.listener({"event": "score", "name": name, "value": score.value})
        return scores, refused

    @cached_property
    def _extractor(self) -> FeatureExtractor:
        return FeatureExtractor(self.space, self.device)

    def _feature_sets(self, samples: ImageSet) -> FeatureSets:
        def features(images: ImageSet, name: str) -> Features:
            return extract_features(images, self._extractor, self.kept, self.listener, name)

        known = self.photos
        training, heldout = features(known.training, "training photos"), features(known.heldout, "held-out photos")
        training_photos, heldout_photos = known.training.photo_numbers(), known.heldout.photo_numbers()
        compares_heldout = self.protocol.reference == "heldout"
        return FeatureSets(
            samples=features(samples, "samples"),
            reference=heldout if compares_heldout else training,
            training=training,
            heldout=heldout,
            reference_photos=heldout_photos if compares_heldout else training_photos,
            training_photos=training_photos,
            heldout_photos=heldout_photos,
        )

    def _image_sets(self, drawn: Samples) -> ImageSets:
        """All sets with the same number of channels."""
        everything = (drawn.images, self.photos.training, self.photos.heldout)
        channels: Literal[1, 3] = 3 if any(images.channels == 3 for images in everything) else 1
        samples, training, heldout = (replace(images, channels=channels) for images in everything)
        rows = {pixels: row for row, pixels in enumerate(training.hashes)}
        sources = drawn.sources or (None,) * len(samples)

        def logits(name: str, images: ImageSet) -> Features:
            features = extract_features(images, FeatureExtractor(name, self.device), self.kept, self.listener)
            return apply_classifier(features, name)

        return ImageSets(
            samples=samples,
            reference=heldout if self.protocol.reference == "heldout" else training,
            training=training,
            heldout=heldout,
            sources=tuple(None if pixels is None else rows.get(pixels) for pixels in sources),
            network=cache(lambda name: MapExtractor(name, self.device)),
            logits=logits,
        )


def _without_interval(score: Score) -> Score:
    return score.model_copy(update={"low": None, "high": None, "per_photo": ()})
