"""One training of one inspector in one arm, fold and seed: a job that runs alone and leaves one file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import sklearn
import torch
from sklearn.model_selection import GroupKFold

from handful.core import registry
from handful.core.artifacts import Artifact, library_versions
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.seeds import torch_stream
from handful.core.workspace import write_atomically
from handful.inspection.arms import Arm
from handful.inspection.augment import augment_batch
from handful.inspection.base import Inspector, build_inspector, inspector_class
from handful.inspection.contributions import auroc_contributions
from handful.inspection.labelled_set import LabelledSet, Labels
from handful.inspection.metrics import measure
from handful.inspection.mix import join, training_sets
from handful.inspection.read import Fold
from handful.inspection.sample_sets import Source
from handful.inspection.threshold import fold_scores

STRENGTHS = (0.5, 1.0, 2.0)
"""Of classical augmentation, to choose from."""
_USUAL_STRENGTH = 1.0
COPIES = 5
"""Of each photo, where an inspector does not augment by itself."""
_PARTS = 2
"""Of the training photos, each scored by an inspector that learned from the others: for thresholds and strengths."""
_FOLDER = Path(__file__).parent
_SHARED = ("augment.py", "gradient.py", "kept_features.py", "threshold.py", "metrics.py")
"""What inspectors are built from, beside their own file."""
_WAY = 1
"""Raised when a cell comes out otherwise from the same images."""


class CellResult(Artifact):
    """What an inspector said of the held-out photos of a fold."""

    file_name: ClassVar[str] = "{key}.json"
    stage: ClassVar[str] = "inspect"

    key: str
    """Over everything that decides the outcome: images, labels, inspector, settings, seed, versions."""
    inspector: str
    arm: str
    """The first arm that asked for it; another with the same content shares it."""
    fold: int
    seed: int
    photos: int
    """Real training photos."""
    samples: int
    """Images learned from in addition."""
    scores: tuple[float, ...]
    """Of the held-out photos in the order of the data set: higher is more surely defective."""
    training_scores: tuple[float, ...]
    """Of the real training photos, each by an inspector that did not learn from it; empty where no threshold was
    asked for."""
    measures: dict[str, float]
    """Metric -> value on the held-out photos."""
    strength: float
    """Of classical augmentation; 0 where there was none."""
    seconds: float

    def write(self, folder: Path) -> None:
        write_atomically(folder / f"{self.key}.json", (self.model_dump_json(indent=1) + "\n").encode())


@dataclass(frozen=True)
class Job:
    """Everything that decides a cell."""

    arm: Arm
    inspector: str
    values: Mapping[str, Any]
    """Settings of the inspector."""
    fold: Fold
    source: Source | None
    seed: int

    def __str__(self) -> str:
        return f"{Path(self.inspector).stem}, {self.arm.name}, fold {self.fold.number}, seed {self.seed}"


def run_cell(job: Job, cells: Path, cache: Path | None = None, device: str = "cpu") -> CellResult:
    """Trains and tests; what `cells` holds of this very content already is read instead.

    Raises:
        UserError: an inspector that cannot learn from the arm's images, a damaged cell, a full disk.
    """
    sets = training_sets(job.arm, job.fold, job.source, job.seed)
    strength = 0.0
    if job.arm.kind in ("classical", "both"):
        strength = tune_strength(job, cells, cache, device)
    key = _key(job, sets, strength, "cell")
    if (cells / f"{key}.json").exists():
        return CellResult.read(cells, f"{key}.json")
    started = time.perf_counter()
    inspector = _learned(job, sets, strength, cache, device)
    predictions = inspector.predict(job.fold.test.images)
    if not np.isfinite(predictions.defect).all():
        raise UserError(
            f"{job}: the inspector's scores are not finite numbers.",
            "Every held-out photo needs a finite score.",
            "Give the inspector other settings, such as a lower learning_rate.",
        )
    result = CellResult(
        key=key,
        inspector=job.inspector,
        arm=job.arm.name,
        fold=job.fold.number,
        seed=job.seed,
        photos=_photos(job, sets),
        samples=sum(len(one) for one in sets) - _photos(job, sets),
        scores=tuple(predictions.defect.tolist()),
        training_scores=tuple(_cross_scores(job, strength, cache, device)) if _wants_threshold(job) else (),
        measures=measure(job.fold.test, predictions),
        strength=strength,
        seconds=time.perf_counter() - started,
    )
    result.write(cells)
    return result


def tune_strength(job: Job, cells: Path, cache: Path | None = None, device: str = "cpu") -> float:
    """The strength of classical augmentation with the highest AUROC between parts of the real training photos.

    The usual strength where the photos have no two parts, or none is defective. Held-out photos have no say. The first
    seed's choice would be luck, so the choice has a stream of its own and holds for every seed.
    """
    tuning = Job(Arm("tuning", "classical"), job.inspector, job.values, job.fold, None, 0)
    base = job.fold.base
    if not (base.labels > 0).any() or not _has_parts(base):
        return _USUAL_STRENGTH
    found = {}
    for strength in STRENGTHS:
        key = _key(tuning, [base], strength, "tuning")
        if not (cells / f"{key}.json").exists():
            scores = _cross_scores(tuning, strength, cache, device)
            CellResult(
                key=key, inspector=job.inspector, arm="tuning", fold=job.fold.number, seed=0, photos=len(base),
                samples=0, scores=(), training_scores=tuple(scores), measures={}, strength=strength, seconds=0.0,
            ).write(cells)  # fmt: skip
        scores = list(CellResult.read(cells, f"{key}.json").training_scores)
        found[strength] = float(auroc_contributions(scores, base.labels, base.groups).mean())
    return max(STRENGTHS, key=lambda strength: (found[strength], -abs(strength - _USUAL_STRENGTH)))


def _learned(job: Job, sets: Sequence[LabelledSet], strength: float, cache: Path | None, device: str) -> Inspector:
    """An inspector after its training; of two sets each gets half of the steps."""
    values = dict(job.values)
    fields = inspector_class(registry.load("inspectors", job.inspector)).settings_class.model_fields
    if "augment" in fields:
        values["augment"] = strength
    elif strength:
        sets = [join(one, _varied(one, strength, job.seed), copies=True) for one in sets]
    if len(sets) > 1 and "steps" in fields:
        values["steps"] = max(1, int(values.get("steps", fields["steps"].default)) // len(sets))
    inspector = build_inspector(job.inspector, values, job.seed, device, cache)
    for one in sets:
        inspector.fit(one)
    return inspector


def _cross_scores(job: Job, strength: float, cache: Path | None, device: str) -> list[float]:
    """Scores of the real training photos, each by an inspector that learned from the other part of them."""

    def fitted(rows: Labels) -> Inspector:
        part = replace(job, fold=replace(job.fold, base=job.fold.base.take(rows)))
        sets = training_sets(part.arm, part.fold, part.source, part.seed)
        return _learned(part, sets, strength, cache, device)

    base = job.fold.base
    if (base.labels > 0).any():
        return [float(score) for score in fold_scores(base, fitted, _PARTS)]
    scores = np.empty(len(base))
    for inside, outside in GroupKFold(_PARTS).split(base.labels, groups=base.groups):
        scores[outside] = fitted(inside).predict(base.images[outside]).defect
    return [float(score) for score in scores]


def _varied(one: LabelledSet, strength: float, seed: int) -> LabelledSet:
    """Copies of every image, each varied by its own draw."""
    rows = np.tile(np.arange(len(one)), COPIES)
    copies = one.take(rows)
    masks = None if copies.masks is None else torch.from_numpy(copies.masks)
    images, moved = augment_batch(
        torch.from_numpy(copies.images), masks, strength, "none", torch_stream(seed, "classical copies")
    )
    return LabelledSet(
        images.numpy(), copies.labels, copies.kinds, None if moved is None else moved.numpy(), copies.hashes,
        copies.groups, copies.names,
    )  # fmt: skip


def _photos(job: Job, sets: Sequence[LabelledSet]) -> int:
    if job.arm.kind == "only":
        return 0
    return len(sets[-1]) if job.arm.kind in ("curve", "more") else len(job.fold.base)


def _wants_threshold(job: Job) -> bool:
    """Every arm that a plant could run, where there are photos to set it on; the learning curve and the controls need
    no threshold."""
    return job.arm.kind in ("real", "classical", "samples", "both", "pretrain") and _has_parts(job.fold.base)


def _has_parts(base: LabelledSet) -> bool:
    """Whether good photos are of several groups, and defective ones too where there are any, so that one part can be
    scored by the other."""
    good, bad = (len(np.unique(base.groups[side])) for side in (base.labels == 0, base.labels > 0))
    return good >= _PARTS and (bad == 0 or bad >= _PARTS)


def _key(job: Job, sets: Sequence[LabelledSet], strength: float, purpose: str) -> str:
    file = registry.find("inspectors", job.inspector)
    return fingerprint(
        {
            "way": [_WAY, purpose, _wants_threshold(job)],
            "inspector": hashlib.sha256(file.read_bytes()).hexdigest(),
            "settings": dict(job.values),
            "strength": strength,
            "seed": job.seed,
            "sets": [_digest(one) for one in sets],
            "base": _digest(job.fold.base),
            "test": "" if purpose == "tuning" else _digest(job.fold.test),
            "shared": [hashlib.sha256((_FOLDER / name).read_bytes()).hexdigest() for name in _SHARED],
            "versions": library_versions() | {"scikit-learn": sklearn.__version__},
        }
    )[:24]


def _digest(one: LabelledSet) -> str:
    digest = hashlib.sha256(repr((one.images.shape, one.kinds)).encode())
    for part in (one.images, one.labels, one.groups, one.masks):
        digest.update(b"none" if part is None else np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
