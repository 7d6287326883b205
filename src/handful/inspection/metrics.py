"""Numbers that say how well an inspector tells defects: of images, of kinds, of pixels. Larger is better in all.

Papers: Bergmann, Fauser, Sattlegger, Steger (2019), "Uninformed Students: Student-Teacher Anomaly Detection with
    Discriminative Latent Embeddings", arXiv 1911.02357, section 4.1: per-region overlap (PRO) up to 30 % of falsely
    marked pixels. The others are scikit-learn's.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from sklearn import metrics

from handful.core.errors import UserError
from handful.core.images import Floats
from handful.inspection.base import Predictions
from handful.inspection.labelled_set import LabelledSet, Labels, Masks

Scores = npt.NDArray[np.floating[Any]]
PRO_LIMIT = 0.3


def measure(test: LabelledSet, predictions: Predictions) -> dict[str, float]:
    """All metrics that the predictions and the labels allow.

    Keys, in this order: `auroc`, `average_precision`; where there are kinds, `balanced_accuracy` and `macro_f1`; where
    there are maps and masks, `pixel_auroc`, `pixel_average_precision` and `pro`. They are left out where the
    predictions or the test images lack what they need.

    Raises:
        UserError: the test images are all good or all defective.
    """
    defective = test.labels > 0
    found = {
        "auroc": auroc(predictions.defect, defective),
        "average_precision": average_precision(predictions.defect, defective),
    }
    if predictions.kinds is not None:
        found |= measure_kinds(predictions.kinds, test.labels)
    if predictions.maps is not None and test.masks is not None and test.masks.any():
        found |= measure_maps(predictions.maps, test.masks)
    return found


def auroc(scores: Scores, defective: npt.NDArray[np.bool_]) -> float:
    """How often a defective image scores above a good one, ties counting one half; 0.5 is guessing.

    Args:
        scores: (n,), higher is more surely defective.
        defective: (n,).

    Raises:
        UserError: one of the two classes is empty.
    """
    _check_both(defective)
    return float(metrics.roc_auc_score(defective, scores))


def average_precision(scores: Scores, defective: npt.NDArray[np.bool_]) -> float:
    """Area under precision over recall, by steps; the share of defective images is guessing.

    Raises:
        UserError: one of the two classes is empty.
    """
    _check_both(defective)
    return float(metrics.average_precision_score(defective, scores))


def measure_kinds(chances: Scores, labels: Labels) -> dict[str, float]:
    """`balanced_accuracy` (mean recall of the classes that the test images have) and `macro_f1` (mean over the classes
    that are there or were named), of the most probable class.

    Args:
        chances: (n, 1 + k).
        labels: (n,).
    """
    named = chances.argmax(axis=1)
    matrix = metrics.confusion_matrix(labels, named, labels=np.arange(chances.shape[1]))
    there = matrix.sum(axis=1) > 0
    recalls = matrix.diagonal()[there] / matrix.sum(axis=1)[there]
    return {
        "balanced_accuracy": float(recalls.mean()),
        "macro_f1": float(metrics.f1_score(labels, named, average="macro", zero_division=0.0)),
    }


def measure_maps(maps: Floats, masks: Masks) -> dict[str, float]:
    """`pixel_auroc`, `pixel_average_precision` and `pro`, over the pixels of all test images together.

    Args:
        maps: (n, h, w), higher is more surely part of a defect.
        masks: (n, h, w), 0 where good.

    Raises:
        UserError: no pixel is defective, or all are.
    """
    inside = (masks > 0).ravel()
    _check_both(inside, "test pixels")
    return {
        "pixel_auroc": float(metrics.roc_auc_score(inside, maps.ravel())),
        "pixel_average_precision": float(metrics.average_precision_score(inside, maps.ravel())),
        "pro": per_region_overlap(maps, masks),
    }


def per_region_overlap(maps: Floats, masks: Masks, limit: float = PRO_LIMIT) -> float:
    """Mean share of each defect region that is marked, whatever the region's size, averaged over the share of good
    pixels falsely marked from 0 to `limit`; `limit` / 2 is guessing, 1 is perfect.

    A region is what hangs together in one mask, corners included. Exact: every value of the maps is a threshold.

    Args:
        maps: (n, h, w), higher is more surely part of a defect.
        masks: (n, h, w), 0 where good.
        limit: largest share of good pixels falsely marked.

    Raises:
        UserError: no pixel is defective, or all are.
    """
    inside = masks > 0
    _check_both(inside.ravel(), "test pixels")
    gains = np.zeros(maps.shape, np.float64)  # what marking a pixel adds to the mean overlap
    regions = 0
    for gain, mask in zip(gains, inside, strict=True):
        numbers, count = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(numbers.ravel(), minlength=count + 1)
        gain[mask] = 1 / sizes[numbers[mask]]
        regions += count
    order = np.argsort(-maps, axis=None, kind="stable")
    values = maps.ravel()[order]
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # of each value, as equal pixels go together
    overlap = np.append(0, np.cumsum(gains.ravel()[order])[last] / regions)
    falsely = np.append(0, np.cumsum(~inside.ravel()[order])[last] / np.sum(~inside))
    at_limit = np.interp(limit, falsely, overlap)
    below = falsely < limit
    return float(np.trapezoid(np.append(overlap[below], at_limit), np.append(falsely[below], limit)) / limit)


def _check_both(positive: npt.NDArray[np.bool_], what: str = "test images") -> None:
    hits = int(positive.sum())
    if hits in (0, len(positive)):
        raise UserError(
            f"Of {len(positive)} {what}, {hits} are defective.",
            "An inspector is measured on at least 1 good and 1 defective.",
            "Move labelled photos to the test side until it has both.",
        )
