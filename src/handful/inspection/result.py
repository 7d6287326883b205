"""What an inspection found: 7_inspection/inspection.json."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from handful.core.artifacts import Artifact
from handful.core.config import Settings
from handful.statistics.claims import Word

Decision = Literal["use", "do not use", "equivalent", "undecided", "cannot be decided with this n"]


class Share(Settings):
    """A counted share: the mean over seeds, and exact limits for the images that were counted."""

    share: float
    low: float
    high: float
    trials: int


class Contrast(Settings):
    """One arm against another on the runs that both have, by AUROC."""

    inspector: str
    arm: str
    against: str
    planned: bool
    runs: int
    """Paired runs: same seed, same fold."""
    seeds: int
    photos: int
    """Held-out photos over all folds; near-duplicates count as one."""
    gain: float | None
    """Mean of arm - against; None without a paired run."""
    low: float | None
    """95 % interval over photos and seeds; None where too few say anything."""
    high: float | None
    p: float | None
    """Two-sided, the larger of both tests; of a planned comparison corrected by Holm over them all. None with too few
    runs."""
    p_runs: float | None
    p_photos: float | None
    p_equivalent: float | None
    needed_runs: int | None
    needed_photos: int | None
    word: Word


class ArmRow(Settings):
    """One arm of one inspector."""

    inspector: str
    arm: str
    kind: str
    source: str
    dose: float
    photos: float
    """Real photos learned from, mean over folds."""
    samples: float
    runs: int
    auroc: float
    low: float | None
    high: float | None
    measures: dict[str, float]
    """Every metric, mean over runs."""
    false_rejects: Share | None
    slip_through: Share | None
    further_defects: int | None
    """Defective photos still to be tested, and all found, before the target of slip-through is shown."""
    strength: float
    """Of classical augmentation, mean over folds."""
    seconds: float
    """Of one run, mean."""


class Exchange(Settings):
    """What the samples of an arm are worth in real photos."""

    inspector: str
    arm: str
    samples: int
    photos: int
    """Real photos beside them."""
    worth: float | None
    """More real photos that give the same AUROC; None where the learning curve does not reach it."""
    low: float | None
    """95 % over seeds and held-out photos; None: below the learning curve's beginning."""
    high: float | None
    """None: above the learning curve's end."""
    words: str


class WarningLight(Settings):
    """How well samples are told from real photos of the same labels."""

    source: str
    fold: int
    right: int
    trials: int
    low: float
    high: float
    words: str


class Answer(Settings):
    """What is to be done with the samples of one generator."""

    source: str
    decision: Decision
    sentence: str
    why: tuple[str, ...]


class InspectionResult(Artifact):
    """Everything that the page shows."""

    file_name: ClassVar[str] = "inspection.json"
    stage: ClassVar[str] = "inspect"

    sentence: str
    answers: tuple[Answer, ...]
    rows: tuple[ArmRow, ...]
    contrasts: tuple[Contrast, ...]
    exchanges: tuple[Exchange, ...]
    lights: tuple[WarningLight, ...]
    notes: tuple[str, ...]
    cells: int
    """Finished."""
    planned_cells: int
    failed: tuple[str, ...]
    kinds: tuple[str, ...]
    test_photos: int
    test_defects: int
    settings: dict[str, Any]
    plan_sha256: str
    versions: dict[str, str]
