"""What this many photos can decide, said before any training. Reads the photo audit, trains nothing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from handful.core import registry
from handful.core.artifacts import Photo, PhotoAudit
from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.progress import Listener
from handful.dataset.settings import DatasetSettings
from handful.dataset.split import Split, split_photos
from handful.pages.words import number, plural
from handful.report.single import NOT_FROM_ONE_PHOTO
from handful.statistics.binomial import share_at_most
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS
from handful.statistics.kernel_distance import LEAST_IMAGES
from handful.statistics.power import LEVEL, POWER, detectable_effect, least_pairs, t_detectable_effect
from handful.study.plan import CompareSettings

LEAST_PHOTOS = {"heldout-v1": 4, "training-v1": 2, "single-v1": 1}
"""Protocol -> fewest photos: 2 to learn from and 2 held out, 2 to compare with, 1."""
USUAL = ("heldout-v1", "training-v1")
_SINGLE = ("single-v1",)
TRUSTED_PHOTOS = 10
"""From so many photos on, the intervals' coverage has been measured (docs/findings/judge.md)."""


class ScoreUse(Settings):
    """Whether one score can be used with this many photos."""

    score: str
    needs_photos: int
    has_photos: int
    """The fewest of any fold."""
    use: Literal["yes", "rough", "no"]
    """rough: it is given, but it rests on fewer photos than its interval was checked with."""
    remark: str
    """What it misses, or what a perfect generator would score."""
    one_photo: bool
    """Whether it is defined from a single photo, so that single-v1 asks it."""


class PowerPage(Settings):
    """What a comparison with these photos could and could not decide."""

    protocols: tuple[str, ...]
    """By which it would be judged."""
    photos: int
    """Different readable photos."""
    groups: int
    """Units that are held out whole: near-duplicates count once."""
    folds: int
    heldout_least: int
    """Held-out photos of the smallest fold; near-duplicates count once."""
    heldout_total: int
    """Photos that are held out in some fold."""
    seeds: int
    cells: int
    """Paired runs of each two generators: seeds x folds."""
    comparisons: int
    """Planned: every pair of generators, or one against each anchor."""
    least_cells: int
    """Paired runs with which every planned comparison could pass Holm's correction, and a claim be made."""
    run_effect: float | None
    """Least difference found 8 times in 10, in standard deviations of one paired run's difference; None where so few
    runs can decide nothing."""
    photo_effect: float | None
    """The same, in standard deviations of what single photos add to the difference."""
    scores: tuple[ScoreUse, ...]
    cannot: tuple[str, ...]
    """What stays open, each one sentence."""
    advice: str

    @property
    def decides(self) -> bool:
        """Whether a claim is possible at all."""
        return self.run_effect is not None and self.cells >= LEAST_PAIRS and self.seeds >= LEAST_SEEDS


def settle_protocols(settings: CompareSettings, audit: PhotoAudit) -> tuple[CompareSettings, tuple[str, ...]]:
    """The protocols that the number of photos allows, those stated or the usual ones, and settings to fit: where
    single-v1 alone judges, no photo is held out unless that was stated.

    Raises:
        UserError: fewer photos than a stated protocol needs.
    """
    photos = len(_different(audit, settings.dataset))
    few = photos < LEAST_PHOTOS["heldout-v1"]
    protocols = settings.protocol or (_SINGLE if few else USUAL)
    for name in protocols:
        if photos < LEAST_PHOTOS.get(name, 0):
            raise UserError(
                f"There {'is 1 photo' if photos == 1 else f'are {photos} photos'}, and --protocol names {name}.",
                f"{name} needs at least {LEAST_PHOTOS[name]}"
                f"{': 2 to learn from and 2 held out' if name.startswith('heldout') else ''}.",
                "Add photos, or give --protocol single-v1: it compares with what was learned from and ranks nothing.",
            )
    dataset = settings.dataset
    if protocols == _SINGLE and "heldout" not in dataset.model_fields_set:
        dataset = dataset.model_copy(update={"heldout": 0.0})
    return settings.model_copy(update={"protocol": protocols, "dataset": dataset}), protocols


def settle_generators(settings: CompareSettings, audit: PhotoAudit) -> tuple[CompareSettings, list[str]]:
    """The usual generators without those that need more photos, and a sentence for each that is left out. Those asked
    for stay, to be refused where they cannot be trained."""
    if "generators" in settings.model_fields_set:
        return settings, []
    photos = len(_different(audit, settings.dataset))
    asked_for = {*settings.settings, *settings.training, *settings.draws}
    needs = {name: registry.load("generators", name).FACTS.least_photos for name in settings.generators}
    kept = tuple(name for name, least in needs.items() if least <= photos or name in asked_for)
    left_out = [
        f"{name} is left out: it needs at least {plural(least, 'photo')}, and there is {photos}."
        for name, least in needs.items()
        if name not in kept
    ]
    return settings.model_copy(update={"generators": kept}), left_out


def plan_power(
    audit: PhotoAudit,
    generators: Sequence[str],
    seeds: Sequence[int],
    settings: DatasetSettings,
    protocols: Sequence[str] = USUAL,
) -> PowerPage:
    """The power page of a planned comparison.

    Args:
        audit: of the photos.
        generators: names; anchors are told apart by what their files state.
        seeds: of training.
        settings: of the data set: held-out share, folds, groups.
        protocols: by which it is judged.

    Raises:
        UserError: a generator that does not exist, or photos that cannot be split so.
    """
    photos = _different(audit, settings)
    split = split_photos(photos, settings)
    sizes = Counter(fold for fold in split.folds if fold is not None)
    least = min((_independent(split, fold) for fold in sizes), default=0)
    single = tuple(protocols) == _SINGLE
    ranked = [name for name in generators if not registry.describe("generators", name).facts.get("anchor", False)]
    anchors = len(generators) - len(ranked)
    comparisons = max(1, math.comb(len(ranked), 2) if len(ranked) > 1 else anchors)
    cells = len(seeds) * settings.folds
    level = LEVEL / comparisons
    trained_on = len(photos) - max(sizes.values(), default=0)
    total = sum(sizes.values())
    units = len({group for group, fold in zip(split.groups, split.folds, strict=True) if fold is not None})
    page = PowerPage(
        protocols=tuple(protocols),
        photos=len(photos),
        groups=len(set(split.groups)),
        folds=settings.folds,
        heldout_least=least,
        heldout_total=total,
        seeds=len(seeds),
        cells=cells,
        comparisons=comparisons,
        least_cells=max(LEAST_PAIRS, least_pairs(LEVEL, comparisons)),
        run_effect=detectable_effect(cells, level)
        if cells >= LEAST_PAIRS and len(seeds) >= LEAST_SEEDS and not single
        else None,
        photo_effect=t_detectable_effect(units - settings.folds + 1, level) if units - settings.folds >= 2 else None,
        scores=tuple(_score_use(name, least, trained_on, single) for name in registry.names("scores")),
        cannot=(),
        advice="",
    )
    return page.model_copy(update={"cannot": tuple(_cannot(page, ranked)), "advice": _advice(page)})


def page_lines(page: PowerPage) -> list[str]:
    """The page as sentences; the table of scores is `score_rows`."""
    if tuple(page.protocols) == _SINGLE:
        return [
            f"{plural(page.photos, 'photo')} in {plural(page.groups, 'group')}; judged by single-v1, which compares "
            f"samples with what was learned from and ranks nothing; heldout-v1 needs {LEAST_PHOTOS['heldout-v1']}.",
            *page.cannot,
            page.advice,
        ]
    per_fold = f" (at least {page.heldout_least} in each of {page.folds} folds)" if page.folds > 1 else ""
    lines = [
        f"{plural(page.photos, 'photo')} in {plural(page.groups, 'group')}; {page.heldout_total} held out{per_fold}.",
        f"{plural(page.seeds, 'seed')} x {plural(page.folds, 'fold')} = {plural(page.cells, 'paired run')} for each of "
        f"{plural(page.comparisons, 'planned comparison')}; a claim needs {page.least_cells}.",
    ]
    if page.decides and page.run_effect is not None:
        lines.append(
            f"Found {POWER:.0%} of the time after Holm's correction: a difference of {number(page.run_effect)} "
            f"standard deviations between paired runs"
            + (f" and {number(page.photo_effect)} between photos." if page.photo_effect is not None else ".")
        )
    return [*lines, *page.cannot, page.advice]


def say_power(page: PowerPage, listener: Listener) -> None:
    """The page, line by line, to whoever listens to a comparison."""
    uses = ", ".join(f"{one.score} {one.use}" for one in page.scores)
    for line in (*page_lines(page), f"Scores with so few photos: {uses}."):
        listener({"event": "plan", "words": line})


def score_rows(page: PowerPage) -> list[list[str]]:
    """The table of scores, header first."""
    rows = [
        [one.score, str(one.needs_photos), str(one.has_photos), one.use, "yes" if one.one_photo else "no", one.remark]
        for one in page.scores
    ]
    return [["score", "needs photos", "has", "use", "single-v1", "remark"], *rows]


def _different(audit: PhotoAudit, settings: DatasetSettings) -> list[Photo]:
    return [photo for photo in audit.photos if photo.duplicate_of is None or settings.keep_duplicates]


def _independent(split: Split, fold: int | None) -> int:
    """Held-out photos of a fold as the scores count them: groups, or photos where all are of one group."""
    groups = [group for group, own in zip(split.groups, split.folds, strict=True) if own == fold]
    return len(set(groups)) if len(set(groups)) > 1 else len(groups)


def _score_use(name: str, heldout: int, training: int, single: bool) -> ScoreUse:
    facts = registry.describe("scores", name).facts
    against = str(facts.get("compares_with", "reference"))
    needs = int(facts["least_reference"]) if against != "nothing" else 0
    one_photo = int(facts["least_reference"]) <= 1
    has = heldout if against == "reference" and not single else training
    use: Literal["yes", "rough", "no"] = "no" if has < needs or (single and not one_photo) else "yes"
    if use == "yes" and needs > 0 and has < TRUSTED_PHOTOS:
        use = "rough"
    remarks = {
        "no": "single-v1 does not ask it" if single else f"needs {plural(max(0, needs - has), 'photo')} more",
        "rough": f"below {TRUSTED_PHOTOS} photos its interval is unproven",
        "yes": str(facts["perfect"]),
    }
    return ScoreUse(score=name, needs_photos=needs, has_photos=has, use=use, remark=remarks[use], one_photo=one_photo)


def _cannot(page: PowerPage, ranked: Sequence[str]) -> list[str]:
    if tuple(page.protocols) == _SINGLE:
        return [f"Cannot be said: {line}." for line in NOT_FROM_ONE_PHOTO]
    lines = []
    if not page.decides:
        lines.append(
            f"Cannot be decided: which generator is better. {plural(page.cells, 'paired run')} from "
            f"{plural(page.seeds, 'seed')} cannot reach a two-sided p below {number(min(1.0, 2 / 2**page.cells))}; a "
            f"claim needs {page.least_cells} paired runs from at least {LEAST_SEEDS} seeds."
        )
    elif page.cells < page.least_cells:
        lines.append(
            f"Cannot be decided: all {page.comparisons} comparisons at once. {page.cells} paired runs reach "
            f"p = {number(2 / 2**page.cells)}, and Holm asks for {number(LEVEL / page.comparisons)} first."
        )
    if page.heldout_least < LEAST_IMAGES:
        lines.append(
            f"Cannot be given: an interval of KID; it needs 4 held-out photos, and there are {page.heldout_least}."
        )
    if page.heldout_total:
        lines.append(
            f"Cannot be shown: that something never happens. None in {plural(page.heldout_total, 'held-out photo')} "
            f"still allows {share_at_most(0, page.heldout_total):.1%} (95 % limit)."
        )
    if len(ranked) == 0:
        lines.append("Cannot be ranked: only anchors are planned.")
    return lines


def _advice(page: PowerPage) -> str:
    if tuple(page.protocols) == _SINGLE:
        return "Enough for a ranking would be: 20 photos and `--folds 5 --seeds 0,1`."
    if page.decides and page.cells >= page.least_cells:
        return "Enough runs for the planned comparisons; more held-out photos find smaller differences."
    folds = page.folds
    if folds == 1 and page.groups >= 5 and page.photos >= 20:
        folds = 5  # every photo is then held out once
    seeds = max(LEAST_SEEDS, math.ceil(page.least_cells / folds))
    with_folds = f"--folds {folds} " if folds > 1 else ""
    return f"Enough would be: `{with_folds}--seeds {','.join(map(str, range(seeds)))}`."
