"""Are samples told from real photos? A detector's share of right answers, as a warning light.

It sees as many samples as photos of each label, so the label gives nothing away: the power in rings of spatial
frequency, and the image at 4 x 4 pixels. Where it is often right, samples carry a trace that an inspector may learn in
the place of the defect; that it does is what the trace control shows. Where it is at one half, this detector found no
trace; another may.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from handful.core.images import Floats, resize
from handful.core.seeds import numpy_stream, stream_seed
from handful.inspection.controls import ring_powers
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.read import Fold
from handful.inspection.result import WarningLight
from handful.inspection.sample_sets import Source
from handful.pages.words import percent
from handful.statistics.binomial import share_limits

LEAST_EACH = 4
_SIDE_PX = 4
_PARTS = 5


def warning_light(fold: Fold, source: Source) -> WarningLight | None:
    """How often samples and real training photos are told apart by a detector that saw neither; None with fewer than 4
    of each."""
    photos, samples = _matched(fold.base, source.samples)
    if len(photos) < LEAST_EACH:
        return None
    features = np.concatenate([_features(photos.images), _features(samples.images)])
    truth = np.repeat([0, 1], [len(photos), len(samples)])
    groups = np.concatenate([photos.groups, photos.groups.max() + 1 + np.arange(len(samples))])
    parts = min(_PARTS, len(np.unique(photos.groups)))
    if parts < 2:
        return None
    random = stream_seed(fold.number, "detector of samples") % 2**32
    named = np.empty(len(truth), dtype=np.intp)
    for inside, outside in StratifiedGroupKFold(parts, shuffle=True, random_state=random).split(
        features, truth, groups
    ):
        detector = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
        named[outside] = detector.fit(features[inside], truth[inside]).predict(features[outside])
    right, trials = int((named == truth).sum()), len(truth)
    low, high = share_limits(right, trials)
    told = (
        "samples carry a trace that shows"
        if low > 0.5
        else "no trace was found, which does not prove that there is none"
    )
    words = (
        f"{source.name}: samples and photos of the same label are told apart {percent(right / trials)} of the time "
        f"({percent(low)} to {percent(high)}, {trials} images; 50 % is guessing): {told}."
    )
    return WarningLight(
        source=source.name, fold=fold.number, right=right, trials=trials, low=low, high=high, words=words
    )


def _matched(photos: LabelledSet, samples: LabelledSet) -> tuple[LabelledSet, LabelledSet]:
    """As many of both, label by label."""
    random = numpy_stream(0, "detector of samples")
    sides: tuple[list[int], list[int]] = ([], [])
    for label in np.unique(photos.labels):
        rows = [np.flatnonzero(one.labels == label) for one in (photos, samples)]
        count = min(map(len, rows))
        for side, own in zip(sides, rows, strict=True):
            side += random.permutation(own)[:count].tolist()
    return photos.take(sides[0]), samples.take(sides[1])


def _features(images: Floats) -> npt.NDArray[np.float64]:
    small = np.stack([resize(image, _SIDE_PX, _SIDE_PX, "box").ravel() for image in images])
    return np.concatenate([ring_powers(images), small], axis=1)
