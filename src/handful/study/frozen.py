"""The plan of a comparison, frozen before its first run: what is asked, by which score, with which runs.

Whoever looks at the result first and then adds seeds, drops a generator or picks another network will find a winner
among equals. So a plan that can decide something may not change once a run of it began. One that can decide nothing,
with fewer paired runs than a claim needs, is a pilot: it may be replaced, and what it was is kept beside the new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from handful.core.artifacts import Artifact, DatasetManifest, RunManifest
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.workspace import Workspace
from handful.features.networks import find_network
from handful.report.verdict import PRIMARY
from handful.scores.protocol import PIXELS
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS
from handful.study.plan import CompareSettings
from handful.study.power import USUAL

NONE = "none: nothing is ranked"


class FrozenPlan(Artifact):
    """What a comparison set out to answer, and how."""

    file_name: ClassVar[str] = "plan.json"
    stage: ClassVar[str] = "compare"

    question: str
    primary_score: str
    generators: tuple[str, ...]
    seeds: tuple[int, ...]
    folds: int
    stop_rule: str
    """When a training ends; no run is stopped or dropped for what it scores."""
    canvas: str
    dataset_fingerprint: str
    networks: dict[str, str]
    """Feature space -> sha256 of its network's tensors; '' where it has none."""
    plan_sha256: str
    """Over all the rest."""

    @property
    def pilot(self) -> bool:
        """Whether it can decide nothing."""
        return self.primary_score == NONE or len(self.seeds) * self.folds < LEAST_PAIRS or len(self.seeds) < LEAST_SEEDS


def freeze_plan(settings: CompareSettings, spaces: Sequence[str], dataset: DatasetManifest, out: Path) -> FrozenPlan:
    """Writes plan.json into the workspace before the first run, or makes sure that it still holds.

    Args:
        settings: of the comparison.
        spaces: the feature spaces that judge it; the first decides.
        dataset: that it learns from and is judged with.
        out: the workspace.

    Raises:
        UserError: the plan that the runs began with is another one, or was changed by hand.
    """
    plan = _plan(settings, spaces, dataset)
    path = out / FrozenPlan.file_name
    if not path.exists():
        plan.write(out)
        return plan
    before = FrozenPlan.read(out)
    by_hand = before.plan_sha256 != _hash(before.model_dump(mode="json"))
    if before == plan:
        return plan
    began = any(Workspace(out).train.glob(f"*/{RunManifest.file_name}"))
    if began and (by_hand or not before.pilot):
        raise _changed(before, plan, path, by_hand)
    if began:
        path.rename(out / f"plan-{before.plan_sha256[:8]}.json")
    plan.write(out)
    return plan


def _plan(settings: CompareSettings, spaces: Sequence[str], dataset: DatasetManifest) -> FrozenPlan:
    names = ", ".join(sorted(settings.generators))
    heldout = [name for name in settings.protocol or USUAL if name.startswith("heldout")]
    networks = [space for space in spaces if space != PIXELS]
    ranks = bool(heldout and networks)
    rest: dict[str, Any] = {
        "question": f"Which is nearer to the held-out photos: {names}?"
        if ranks
        else f"What do {names} make of the photos that they learn from?",
        "primary_score": f"{PRIMARY} in {networks[0]}, {heldout[0]}" if ranks else NONE,
        "generators": tuple(sorted(settings.generators)),
        "seeds": tuple(sorted(settings.seeds)),
        "folds": dataset.folds,
        "stop_rule": str(settings.train.budget),
        "canvas": str(dataset.canvas),
        "dataset_fingerprint": dataset.fingerprint,
        "networks": {space: "" if space == PIXELS else find_network(space)[0].tensors_sha256 for space in spaces},
    }
    return FrozenPlan(**rest, plan_sha256=_hash(rest))


def _hash(values: dict[str, Any]) -> str:
    return fingerprint({name: value for name, value in values.items() if name != "plan_sha256"})


def _changed(before: FrozenPlan, now: FrozenPlan, path: Path, by_hand: bool) -> UserError:
    old, new = before.model_dump(mode="json"), now.model_dump(mode="json")
    names = [name for name in old if old[name] != new[name] and name not in ("plan_sha256", "question")]
    words = "; ".join(f"{name} was {_words(old[name])}, is now {_words(new[name])}" for name in names)
    how = "was changed by hand" if by_hand else "was changed"
    return UserError(
        f"The plan in {path} {how} after its runs began: {words or 'its hash does not fit it'}.",
        "A comparison is judged by the plan that was frozen before its first run; only a pilot, with fewer than "
        f"{LEAST_PAIRS} paired runs, may be replaced.",
        "Go on with the frozen plan, or give the new one another workspace with --out.",
    )


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{name} {content[:8]}".strip() for name, content in value.items())
    return str(value)
