"""Which photos are held out. What must stay together forms a unit; a unit is never split."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from handful.core.artifacts import Photo
from handful.core.errors import UserError
from handful.core.seeds import numpy_stream
from handful.dataset.settings import DatasetSettings

_OFF_TARGET = 0.1
"""A held-out share farther than this from the one asked for is worth a warning."""


_LEAST_EACH_SIDE = 2
"""Photos to train on, and photos held out: distances between sets of images are defined from 2."""


@dataclass(frozen=True)
class Split:
    """The answer for each photo, in the order given."""

    groups: tuple[int, ...]
    """Unit of each photo, counted from 0 in order of first appearance."""
    folds: tuple[int | None, ...]
    """The fold in which a photo is held out; None: always trained on."""
    words: str
    warnings: tuple[str, ...]


def split_photos(
    photos: Sequence[Photo], settings: DatasetSettings, pixels: Sequence[Collection[str]] | None = None
) -> Split:
    """Holds photos out as `settings` say.

    Args:
        photos: in natural file order, at least one.
        settings: how.
        pixels: for each photo the pixel hashes of its images on the canvas; photos that share one stay together.

    Raises:
        UserError: too few photos or groups, or names that --group-by does not match.
    """
    _check_consistent(settings)
    units, kept_together, merges = _units(photos, settings, pixels or [()] * len(photos))
    if settings.heldout == 0:
        return Split(units, (None,) * len(photos), "all photos are trained on, none held out", ())
    _check_enough(photos, units, kept_together, settings)
    fold_of_unit = _blocks(units, settings) if settings.split == "blocks" else _whole_groups(units, settings)
    folds = tuple(fold_of_unit[unit] for unit in units)
    warnings = merges + _cut_crowd(photos, units)
    heldout = sum(fold is not None for fold in folds)
    if settings.folds > 1:
        sizes = Counter(folds)
        parts = ", ".join(str(sizes[fold]) for fold in range(settings.folds))
        words = f"{settings.folds} folds of {parts} photos, {kept_together} kept together, seed {settings.seed}"
    else:
        words = f"{heldout} of {len(photos)} photos held out, {kept_together} kept together, seed {settings.seed}"
        if abs(heldout - _target(len(photos), settings)) > _OFF_TARGET * len(photos):
            warnings += (
                f"{heldout / len(photos):.0%} of the photos are held out instead of {settings.heldout:.0%}, because "
                f"groups are kept whole.",
            )
    return Split(units, folds, words, warnings)


def _check_consistent(settings: DatasetSettings) -> None:
    if settings.folds > 1 and settings.heldout == 0:
        raise UserError(
            f"There are {settings.folds} folds, and heldout is 0.",
            "Each fold holds a part of the photos out; with heldout 0 no photo is.",
            "Leave out --folds, or leave out --heldout.",
        )
    if settings.split == "blocks" and settings.group_by is not None:
        raise UserError(
            f"Both --split blocks and --group-by '{settings.group_by}' are given.",
            "One of them says what stays together.",
            "Leave out --split blocks, or leave out --group-by.",
        )


def _units(
    photos: Sequence[Photo], settings: DatasetSettings, pixels: Sequence[Collection[str]]
) -> tuple[tuple[int, ...], str, tuple[str, ...]]:
    """Unit of each photo, in words what a unit is, and a warning where units had to be merged.

    An exact copy is always of its original's unit, and near-duplicates and equal images are of one unit. A fixed
    camera's photos, all alike, may still be told apart by blocks, and by names where nothing else is left to split.
    """
    crowd = _crowd(photos)
    rule: list[set[Hashable]] = []
    alike: list[set[Hashable]] = []
    for photo, hashes in zip(photos, pixels, strict=True):
        links: set[Hashable] = {("photo", photo.duplicate_of or photo.name)}
        if settings.group_by is None:
            if settings.split != "blocks" or photo.group != crowd:
                links.add(("likeness", photo.group))
        elif photo.duplicate_of is None:
            links.add(("name", _matched(settings.group_by, photo.name)))
        rule.append(links)
        alike.append({("pixels", pixels_hash) for pixels_hash in hashes})
    stated = _linked(rule)
    together = [links | images for links, images in zip(rule, alike, strict=True)]
    units = _linked(together)
    if settings.group_by is not None:
        for spared in (None, crowd):
            likeness = [{("likeness", photo.group)} if photo.group != spared else set() for photo in photos]
            units = _linked([links | like for links, like in zip(together, likeness, strict=True)])
            if len(set(units)) >= max(2, settings.folds):
                break
    kept_together = "blocks in file order" if settings.split == "blocks" else "groups of near-duplicates"
    if settings.group_by is not None:
        kept_together = f"groups by '{settings.group_by}'"
    parts = Counter(unit for _, unit in set(zip(stated, units, strict=True)))
    merged = sum(count for count in parts.values() if count > 1)
    if not merged:
        return units, kept_together, ()
    return (
        units,
        f"{kept_together}, merged where alike,",
        (
            f"{merged} of {len(set(stated))} groups ({kept_together}) share near-duplicate photos or equal images and "
            f"were merged, which leaves {len(parts)}: else held-out pictures would be among the training photos.",
        ),
    )


def _linked(links: Sequence[Collection[Hashable]]) -> tuple[int, ...]:
    """Photos that share a link, or are linked through others, get one number, counted in order of appearance."""
    labels = list(range(len(links)))
    first: dict[Hashable, int] = {}
    for index, own in enumerate(links):
        for link in own:
            old, new = labels[index], labels[first.setdefault(link, index)]
            if old != new:
                labels = [new if label == old else label for label in labels]
    numbers: dict[int, int] = {}
    return tuple(numbers.setdefault(label, len(numbers)) for label in labels)


def _crowd(photos: Sequence[Photo]) -> int | None:
    """The near-duplicate group of more than half of the photos, as from a fixed camera, where there is one."""
    group, size = Counter(photo.group for photo in photos).most_common(1)[0]
    return group if len(photos) > 1 and size > len(photos) / 2 else None


def _matched(pattern: str, name: str) -> str:
    match = re.search(pattern, name)
    if match is None:
        raise UserError(
            f"--group-by '{pattern}' does not match the photo '{name}'.",
            "It must match the name of every photo (its path below the photo folder).",
            "Widen the expression, or move that photo out of the folder.",
        )
    captured = match[1] if match.re.groups else match[0]
    return captured or ""


def _check_enough(photos: Sequence[Photo], units: Sequence[int], kept_together: str, settings: DatasetSettings) -> None:
    count = len(set(units))
    if len(photos) == 1:
        raise UserError(
            f"There is 1 photo, and heldout is {settings.heldout:g}.",
            f"Holding a photo out needs at least 2, and judging by it {2 * _LEAST_EACH_SIDE}: {_LEAST_EACH_SIDE} to "
            f"train on and {_LEAST_EACH_SIDE} held out.",
            "Add photos; or train on this one without judging: `handful dataset --heldout 0`, then `handful train`.",
        )
    if count >= max(2, settings.folds):
        return
    wanted = f"{settings.folds} folds need" if settings.folds > 1 else "Holding photos out needs"
    fewer = f"--folds {count}, " if settings.folds > count >= 2 else ""
    raise UserError(
        f"The {len(photos)} photos form {count} group(s) ({kept_together}).",
        f"{wanted} at least {max(2, settings.folds)} groups, since no group is ever split.",
        f"Give {fewer}--split blocks (runs in file order), --group-by (which names belong together), or --heldout 0.",
    )


def _whole_groups(units: Sequence[int], settings: DatasetSettings) -> dict[int, int | None]:
    """Fold of each unit, units drawn in random order."""
    sizes = Counter(units)
    order = [int(unit) for unit in numpy_stream(settings.seed, "held-out photos").permutation(len(sizes))]
    fold_of_unit: dict[int, int | None] = dict.fromkeys(range(len(sizes)))
    if settings.folds > 1:  # the largest first, each to the fold that has least
        totals = [0] * settings.folds
        for unit in sorted(order, key=lambda unit: -sizes[unit]):
            fold = totals.index(min(totals))
            fold_of_unit[unit] = fold
            totals[fold] += sizes[unit]
        return fold_of_unit
    target, total = _target(len(units), settings), 0
    for unit in order:
        if total + sizes[unit] <= target:
            fold_of_unit[unit] = 0
            total += sizes[unit]
    if total < _LEAST_EACH_SIDE:  # the other groups are larger than the share asked for
        fitting = [unit for unit in order if _can_be_judged(sizes[unit], len(units))]
        if fitting or total == 0:
            chosen = min(fitting or order, key=lambda unit: sizes[unit])
            fold_of_unit = dict.fromkeys(range(len(sizes))) | {chosen: 0}
    return fold_of_unit


def _target(photos: int, settings: DatasetSettings) -> int:
    """Number of photos to hold out: at least 2, and at least 2 not; of 2 and 3 photos 1."""
    least = min(_LEAST_EACH_SIDE, photos // 2)
    return min(max(least, round(settings.heldout * photos)), photos - least)


def _can_be_judged(heldout: int, photos: int) -> bool:
    return _LEAST_EACH_SIDE <= heldout <= photos - _LEAST_EACH_SIDE


def _blocks(units: Sequence[int], settings: DatasetSettings) -> dict[int, int | None]:
    """Fold of each unit, units in file order (by their mean place), in runs."""
    places: dict[int, list[int]] = {}
    for place, unit in enumerate(units):
        places.setdefault(unit, []).append(place)
    line = sorted(places, key=lambda unit: (sum(places[unit]) / len(places[unit]), unit))
    ends = [0]  # photos in the first 0, 1, 2 ... units of the line
    for unit in line:
        ends.append(ends[-1] + len(places[unit]))
    fold_of_unit: dict[int, int | None] = dict.fromkeys(line)
    if settings.folds > 1:
        start = 0
        for fold in range(settings.folds):
            wanted = (fold + 1) * len(units) / settings.folds
            last = len(line) - (settings.folds - 1 - fold)  # every later fold gets a unit too
            stop = min(range(start + 1, last + 1), key=lambda end: abs(ends[end] - wanted))
            fold_of_unit.update(dict.fromkeys(line[start:stop], fold))
            start = stop
    else:
        target = _target(len(units), settings)

        def cost(heldout: int) -> tuple[bool, int]:
            return not _can_be_judged(heldout, len(units)), abs(heldout - target)

        runs = []
        for start in range(len(line)):
            stops = [stop for stop in range(start + 1, len(line) + 1) if stop - start < len(line)]
            if stops:
                stop = min(stops, key=lambda end: cost(ends[end] - ends[start]))
                runs.append((cost(ends[stop] - ends[start]), start, stop))
        best = [run for run in runs if run[0] == min(runs)[0]]
        _, start, stop = best[int(numpy_stream(settings.seed, "held-out photos").integers(len(best)))]
        fold_of_unit.update(dict.fromkeys(line[start:stop], 0))
    return fold_of_unit


def _cut_crowd(photos: Sequence[Photo], units: Sequence[int]) -> tuple[str, ...]:
    crowd = _crowd(photos)
    if len({unit for photo, unit in zip(photos, units, strict=True) if photo.group == crowd}) <= 1:
        return ()
    alike = sum(photo.group == crowd for photo in photos)
    return (
        f"{alike} of {len(photos)} photos are near-duplicates of one another and the split cuts through them: held-out "
        f"photos resemble training photos, and scores look better than they would on new parts.",
    )
