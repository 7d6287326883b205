"""The arms of an inspection, as data: what an inspector learns from, and with which arm each is compared.

| kind | learns from | compared with |
|---|---|---|
| real | the real training photos | |
| classical | the same, under classical augmentation whose strength was tuned on them | real |
| curve | a share of the real photos; each seed draws nested shares | |
| more | the real photos and k times as many that were set aside | |
| samples | the real photos and D samples for each | real |
| both | samples at the middle dose, and classical augmentation of everything | classical |
| only | samples at the middle dose, no photo | |
| pretrain | samples first, real photos then, half of the steps each | real |
| path | the real photos, and copies of them in the place of samples, by the way samples took (control) | |
| trace | the same, the copies with the samples' spectrum of their class (control) | path |
| alone | the samples of the smallest dose, in place of the good ones copies of good photos (control) | samples |

Every arm has the same steps of the same batch. The comparisons of samples, both and pretrain are the planned ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from handful.core import registry
from handful.core.errors import UserError
from handful.inspection.base import InspectorFacts
from handful.inspection.read import Fold
from handful.inspection.sample_sets import Source
from handful.inspection.settings import ArmKind, InspectSettings
from handful.pages.words import plural

PLANNED: tuple[ArmKind, ...] = ("samples", "both", "pretrain")
"""Kinds whose comparisons the verdict rests on; Holm's correction goes over them."""
LEAST_SAMPLES = 2


@dataclass(frozen=True)
class Arm:
    """One row of the table; a job of its own for each inspector, fold and seed."""

    name: str
    kind: ArmKind
    source: str = ""
    """Generator whose samples it uses, or imitates."""
    dose: float = 0.0
    """Samples for each real photo."""
    share: float = 1.0
    """Real photos as a multiple of the base."""
    against: str = ""
    """Name of the arm that it is compared with."""

    @property
    def planned(self) -> bool:
        return self.kind in PLANNED


Sources = Mapping[int, Mapping[str, Source]]
"""Fold -> source name -> source."""


def plan_arms(settings: InspectSettings, folds: Sequence[Fold], sources: Sources) -> tuple[tuple[Arm, ...], list[str]]:
    """All arms, and a sentence for each that these photos and samples cannot fill.

    Raises:
        UserError: a source without enough samples for any dose.
    """
    wanted = set(settings.arms)
    arms = [Arm("real", "real")]
    notes: list[str] = []
    if "classical" in wanted:
        arms.append(Arm("classical", "classical", against="real"))
    if "curve" in wanted:
        arms += [Arm(f"real {share:.0%}", "curve", share=share) for share in sorted(settings.curve)]
    if "more" in wanted:
        more, left = _more(settings, folds)
        arms, notes = arms + more, notes + left
    for name in sorted({name for own in sources.values() for name in own}):
        added, left = _of_source(name, settings, folds, sources)
        arms, notes = arms + added, notes + left
    return tuple(arms), notes


def fits(arm: Arm, inspector: str, source: Source | None) -> bool:
    """Whether an inspector can learn in an arm, and would learn anything of its own there."""
    facts: InspectorFacts = registry.load("inspectors", inspector).FACTS
    if arm.kind == "pretrain" and not facts.goes_on:
        return False
    if source is None:
        return True
    good, defective = int((source.samples.labels == 0).sum()), int((source.samples.labels > 0).sum())
    if facts.good_only:
        return good > 0 and arm.kind != "alone"
    if facts.needs_masks and source.samples.masks is None:
        return False
    if arm.kind == "alone":
        return min(good, defective) > 0
    return arm.kind not in ("only", "pretrain") or (good >= facts.least_good and defective >= facts.least_defective)


def samples_of_dose(dose: float, photos: int) -> int:
    """How many samples a dose is."""
    return max(LEAST_SAMPLES, round(dose * photos))


def _more(settings: InspectSettings, folds: Sequence[Fold]) -> tuple[list[Arm], list[str]]:
    whole = min(1 + (len(fold.aside) if fold.aside is not None else 0) / len(fold.base) for fold in folds)
    shares = [share for share in sorted(settings.more) if share < whole]
    if whole > 1:
        shares.append(whole)
    arms = [Arm(f"real x{share:.3g}", "more", share=share) for share in shares]
    notes = [] if arms else ["No real photos were set aside: what more photos than these are worth stays unknown."]
    return arms, notes


def _of_source(
    name: str, settings: InspectSettings, folds: Sequence[Fold], sources: Sources
) -> tuple[list[Arm], list[str]]:
    own = [(fold, sources[fold.number][name]) for fold in folds if name in sources.get(fold.number, {})]
    most = min(len(source.samples) / len(fold.base) for fold, source in own)
    doses = [dose for dose in sorted(settings.doses) if dose <= most + 1e-9]
    notes = []
    if len(doses) < len(settings.doses):
        left = ", ".join(f"{dose:g}x" for dose in sorted(settings.doses) if dose not in doses)
        fewest = min(len(source.samples) for _, source in own)
        notes.append(f"{name}: {left} left out: {plural(fewest, 'accepted sample')} are here.")
    if not doses:
        if min(len(source.samples) for _, source in own) < LEAST_SAMPLES:
            raise UserError(
                f"{name} has {min(len(source.samples) for _, source in own)} sample(s).",
                f"At least {LEAST_SAMPLES} are needed to learn from them.",
                "Draw more with `handful sample`, or accept more in the review.",
            )
        doses = [most]
    middle = doses[len(doses) // 2]
    arms = []
    for dose in doses:
        arms.append(Arm(f"{name} {dose:.3g}x", "samples", name, dose, against="real"))
        arms.append(Arm(f"path control {name} {dose:.3g}x", "path", name, dose))
    arms += [
        Arm(
            f"{name} {middle:.3g}x + classical", "both", name, middle,
            against="classical" if "classical" in settings.arms else "real",
        ),
        Arm(f"{name} only", "only", name, middle),
        Arm(f"{name} first", "pretrain", name, middle, against="real"),
        Arm(
            f"trace control {name}", "trace", name, doses[0],
            against=f"path control {name} {doses[0]:.3g}x" if "path" in settings.arms else "real",
        ),
        Arm(
            f"one-class control {name}", "alone", name, doses[0],
            against=f"{name} {doses[0]:.3g}x" if "samples" in settings.arms else "real",
        ),
    ]  # fmt: skip
    folds_left = sorted({fold.number for fold in folds} - {fold.number for fold, _ in own})
    if folds_left:
        notes.append(
            f"{name} is left out of {plural(len(folds_left), 'fold')} ({', '.join(map(str, folds_left))}): its "
            "generator saw photos that are held out there."
        )
    proportions = {label: int(np.sum(own[0][1].samples.labels == label)) for label in (0, 1)}
    if proportions[0] == 0:
        notes.append(f"{name} has no good samples: being a sample says defective, and the trace control matters.")
    wanted = set(settings.arms) | {"real"}
    return [arm for arm in arms if arm.kind in wanted], notes
