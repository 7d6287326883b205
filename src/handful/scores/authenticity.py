"""Authenticity: the share of samples that are not suspiciously near to one training photo, less that of new photos.

Paper: Alaa, van Breugel, Saveliev, van der Schaar (2022), "How Faithful is your Synthetic Data?", arXiv 2102.08921,
    section 3.3: a sample is authentic when it lies farther from its nearest training image than that image lies from
    its own nearest other training image.
Read: 0 when samples are as authentic as new photos; below 0 when more of them hug a training photo. Above 0 they lie
    farther off than new photos do. `authentic_samples` is the paper's number (AuthPct as a share), `authentic_photos`
    the same for the held-out photos, which is far from 1: a new photo may well be nearer.
Few images: with ten held-out photos their share is known to about 0.3, and the interval says so. Near-duplicates among
    the training photos make every sample authentic: `handful dataset` keeps them in one group.
Oracle: the definition in loops; exact copies, of which none is authentic.
Differs: the share of new photos is taken away, since without it the number has no scale.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from handful.core.artifacts import Score
from handful.core.errors import UserError
from handful.features.image_set import Features, PhotoNumbers
from handful.scores.base import FeatureSets, ScoreFacts, check_counts, photo_numbers
from handful.scores.neighbours import photo_shares
from handful.statistics.binomial import share_limits

FACTS = ScoreFacts(
    better="higher",
    perfect="0: as authentic as new photos",
    best=0.0,
    least_reference=2,
    least_samples=2,
    compares_with="training",
    sees="novelty",
)


def score(sets: FeatureSets) -> Score:
    """The difference of the shares of authentic samples and authentic held-out photos.

    Raises:
        UserError: fewer than 2 training photos or samples, or no held-out photo.
    """
    check_counts("authenticity", FACTS, sets)
    if not len(sets.heldout):
        raise UserError(
            "There are 0 held-out photos.",
            "authenticity is a share less that of held-out photos and needs at least 1.",
            "Build the data set again with some held out (`handful dataset --heldout`).",
        )
    photos = photo_numbers(sets.training, sets.training_photos)
    samples = authentic(sets.samples, sets.training, photos).astype(np.float64)
    held = authentic(sets.heldout, sets.training, photos).astype(np.float64)
    by_photo = photo_shares(held, photo_numbers(sets.heldout, sets.heldout_photos))
    of_samples, of_photos = float(samples.mean()), float(by_photo.mean())
    value = of_samples - of_photos
    (low_s, high_s), (low_p, high_p) = (
        share_limits(round(share * trials), trials)
        for share, trials in ((of_samples, len(samples)), (of_photos, len(by_photo)))
    )
    return Score(
        name="authenticity",
        value=value,
        low=value - float(np.hypot(of_samples - low_s, high_p - of_photos)),
        high=value + float(np.hypot(high_s - of_samples, of_photos - low_p)),
        n_reference=len(np.unique(photos)),
        m_samples=len(samples),
        notes=("The training photos are taken as given: the interval is over samples and held-out photos.",),
        details={
            "authentic_samples": of_samples,
            "authentic_photos": of_photos,
            "heldout_photos": float(len(by_photo)),
        },
    )


def authentic(images: Features, training: Features, photos: PhotoNumbers) -> npt.NDArray[np.bool_]:
    """For each row whether it is farther from its nearest training row than that is from another photo's nearest."""
    among = cdist(training, training)
    among[photos[:, None] == photos] = np.inf
    apart, distances = among.min(1), cdist(images, training)
    answer: npt.NDArray[np.bool_] = distances.min(1) > apart[distances.argmin(1)]
    return answer
