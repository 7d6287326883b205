"""What an inspector learns from in an arm: one training set, or two one after the other."""

from __future__ import annotations

import numpy as np

from handful.core.seeds import numpy_stream
from handful.inspection.arms import Arm, samples_of_dose
from handful.inspection.controls import by_the_path, with_the_trace
from handful.inspection.labelled_set import LabelledSet
from handful.inspection.read import Fold, stratified_order
from handful.inspection.sample_sets import Source


def training_sets(arm: Arm, fold: Fold, source: Source | None, seed: int) -> list[LabelledSet]:
    """The sets that an inspector is fitted on, in order.

    Args:
        arm: which.
        fold: its photos.
        source: of the arm's samples in this fold; None where the arm uses none.
        seed: decides which photos of a share and which samples of a dose; smaller ones are part of larger ones.
    """
    base = fold.base
    if arm.kind == "curve":
        order = stratified_order(base.labels, seed, "learning curve")
        return [base.take(order[: max(2, round(arm.share * len(base)))])]
    if arm.kind == "more":
        assert fold.aside is not None
        order = stratified_order(fold.aside.labels, seed, "more photos")
        return [join(base, fold.aside.take(order[: round((arm.share - 1) * len(base))]))]
    if source is None:
        return [base]
    order = stratified_order(source.samples.labels, seed, f"samples of {source.name}")
    chosen = source.samples.take(order[: samples_of_dose(arm.dose, len(base))])
    if arm.kind == "only":
        return [chosen]
    if arm.kind == "pretrain":
        return [chosen, base]
    if arm.kind in ("path", "trace"):
        copies = base.take(_twins(base, chosen, seed))
        if arm.kind == "trace":
            copies = with_the_trace(copies, base, source.samples)
        return [join(base, by_the_path(copies, source.canvas, source.bit_depth), copies=True)]
    if arm.kind == "alone":
        good = chosen.take(np.flatnonzero(chosen.labels == 0))
        copies = by_the_path(base.take(_twins(base, good, seed)), source.canvas, source.bit_depth)
        return [join(join(base, copies, copies=True), chosen.take(np.flatnonzero(chosen.labels > 0)))]
    return [join(base, chosen)]


def join(first: LabelledSet, second: LabelledSet, copies: bool = False) -> LabelledSet:
    """Both, one behind the other; masks only where both have them.

    Args:
        first: photos.
        second: behind them.
        copies: whether those are made from the photos of `first` and belong to the groups of these; else they are
            groups of their own.
    """
    both = first.masks is not None and second.masks is not None
    return LabelledSet(
        np.concatenate([first.images, second.images]),
        np.concatenate([first.labels, second.labels]),
        first.kinds,
        np.concatenate([first.masks, second.masks]) if both else None,
        first.hashes + second.hashes,
        np.concatenate([first.groups, second.groups + (0 if copies else 1 + int(first.groups.max()))]),
        first.names + second.names,
    )


def _twins(base: LabelledSet, chosen: LabelledSet, seed: int) -> list[int]:
    """For each sample a photo of its label, in turns; where no photo has it, one of any defect."""
    random = numpy_stream(seed, "twins of samples")
    rows: list[int] = []
    for label in np.unique(chosen.labels):
        own = np.flatnonzero(base.labels == label)
        own = own if len(own) else np.flatnonzero(base.labels > 0)
        if len(own):
            rows += np.resize(random.permutation(own), int((chosen.labels == label).sum())).tolist()
    return rows
