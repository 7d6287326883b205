"""The plan of an inspection, frozen before its first cell: which arms, seeds and samples, and what would matter.

Adding seeds until something shows, or dropping the arm that does not, finds a gain where there is none. So a plan that
can decide something may not change once a cell of it was run. One that can decide nothing is a pilot: it may be
replaced, and what it was is kept beside the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from handful.core.artifacts import Artifact
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.inspection.arms import Arm, Sources
from handful.inspection.read import Fold
from handful.inspection.settings import InspectSettings
from handful.pages.words import join_words, plural
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS


class InspectionPlan(Artifact):
    """What an inspection set out to answer."""

    file_name: ClassVar[str] = "plan.json"
    stage: ClassVar[str] = "inspect"

    question: str
    primary_score: str
    arms: tuple[str, ...]
    planned: tuple[str, ...]
    """Arms whose comparison counts, each against what it is named with; for every inspector."""
    settings: dict[str, Any]
    folds: int
    samples: dict[str, str]
    """Source and fold -> fingerprint of its samples."""
    photos: dict[str, str]
    """Fold -> fingerprint of its photos, training and held-out."""
    plan_sha256: str
    """Over all the rest."""

    @property
    def pilot(self) -> bool:
        """Whether it can decide nothing."""
        seeds = len(self.settings["seeds"])
        return not self.planned or seeds * self.folds < LEAST_PAIRS or seeds < LEAST_SEEDS


def freeze_plan(
    out: Path, began: bool, settings: InspectSettings, arms: Sequence[Arm], folds: Sequence[Fold], sources: Sources
) -> InspectionPlan:
    """Writes plan.json before the first cell, or makes sure that it still holds.

    Args:
        out: 7_inspection of the workspace.
        began: whether it holds a cell already.
        settings: of the inspection.
        arms: all of them.
        folds: with their photos.
        sources: with their samples.

    Raises:
        UserError: the plan that the cells began with is another one.
    """
    rest: dict[str, Any] = {
        "question": f"Do the samples of {join_words(sorted({arm.source for arm in arms if arm.source}) or ['nobody'])} "
        "make an inspector better on held-out real photos?",
        "primary_score": "AUROC of good against defective, held-out real photos",
        "arms": tuple(arm.name for arm in arms),
        "planned": tuple(f"{arm.name} against {arm.against}" for arm in arms if arm.planned),
        "settings": settings.model_dump(mode="json"),
        "folds": len(folds),
        "samples": {
            f"{name}, fold {number}": fingerprint([list(source.samples.hashes), source.samples.labels.tolist()])
            for number, own in sources.items()
            for name, source in own.items()
        },
        "photos": {str(fold.number): fingerprint([list(fold.base.hashes), list(fold.test.hashes)]) for fold in folds},
    }
    plan = InspectionPlan(**rest, plan_sha256=fingerprint(rest))
    path = out / InspectionPlan.file_name
    if path.exists():
        before = InspectionPlan.read(out)
        if before == plan:
            return plan
        if began and not before.pilot:
            raise _changed(before, plan, path)
        if began:
            path.rename(out / f"plan-{before.plan_sha256[:8]}.json")
    plan.write(out)
    return plan


def _changed(before: InspectionPlan, now: InspectionPlan, path: Path) -> UserError:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    names = [name for name in old if old[name] != new[name] and name != "plan_sha256"]
    names += [f"settings.{name}" for name, value in old["settings"].items() if value != new["settings"].get(name)]
    return UserError(
        f"The plan in {path} is another one: {join_words([name for name in names if name != 'settings'])} changed.",
        f"It was frozen before its first cell, with {plural(len(before.settings['seeds']), 'seed')} and "
        f"{plural(len(before.planned), 'planned comparison')}; only a plan with fewer than {LEAST_PAIRS} paired runs, "
        "which can decide nothing, may be replaced.",
        "Run the plan as it was, or ask the new question in another workspace with --out.",
    )
