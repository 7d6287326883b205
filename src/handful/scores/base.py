"""What a score is: a pure function on features that returns a value, its interval, both n and notes.

A score file states `FACTS` and a function `score(sets) -> Score`. It opens no file, resizes nothing, picks
no device: the protocol did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class ScoreFacts:
    """How to read a score. All values are literals, read without import."""

    better: Literal["lower", "higher", "neither"]
    perfect: str
    """What a perfect generator would score, in words."""
    least_reference: int
    """Fewest reference photos with which the number is defined."""
    least_samples: int


@dataclass(frozen=True)
class FeatureSets:
    """Feature arrays (images, dimensions), float64, one row an image, all from one network."""

    samples: Features
    reference: Features
    """The photos that the protocol compares with: held-out or training."""
    training: Features
    """The photos that the generator saw."""
    heldout: Features
    """The photos that it never saw; may have 0 rows."""
