"""The words of the verdict. Every claim names its n; nothing is called better on fewer runs than a claim needs.

Where nothing can be said, the sentence names the n that it would take.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handful.core.artifacts import Score, ScoreCard
from handful.pages.words import join_words, number, plural
from handful.report.comparison import Cell, Comparison
from handful.report.spaces import Agreement
from handful.report.words import interval
from handful.statistics.claims import LEAST_PAIRS, LEAST_SEEDS

ANCHORS = {"classic": "plain classic augmentation", "copies": "copies of the training photos"}
CANNOT = "cannot be decided with this n"
_NEARER = "nearer to the held-out photos"


@dataclass(frozen=True)
class Field:
    """Who takes part, with the held-out KID of each run, and how they compare."""

    ranked: Mapping[str, Mapping[Cell, Score]]
    anchors: Mapping[str, Mapping[Cell, Score]]
    pairs: tuple[Comparison, ...]
    """Every pair of ranked generators."""
    standing: tuple[Comparison, ...]
    """Every ranked generator against the anchors."""

    @property
    def n(self) -> str:
        """'8 held-out photos, 1 seed': the n of every claim."""
        counts = [score.n_reference for cells in self.ranked.values() for score in cells.values()]
        few, many = min(counts), max(counts)
        photos = plural(few, "held-out photo") if few == many else f"{few} to {many} held-out photos"
        return f"{photos}{f' in each of {self.folds} folds' if self.folds > 1 else ''}, {plural(self.seeds, 'seed')}"

    @property
    def seeds(self) -> int:
        return len({seed for cells in self.ranked.values() for seed, _ in cells})

    @property
    def folds(self) -> int:
        return len({fold for cells in self.ranked.values() for _, fold in cells})

    @property
    def leader(self) -> str:
        """The ranked generator with the lowest mean KID over the runs that all have."""
        common = set.intersection(*(set(cells) for cells in self.ranked.values()))

        def mean(name: str) -> float:
            scores = self.ranked[name]
            return float(np.mean([scores[cell].value for cell in common or scores]))

        return min(sorted(self.ranked), key=mean)

    def between(self, name: str, other: str) -> Comparison:
        """The comparison of two ranked generators, seen from the first."""
        for pair in self.pairs:
            if (pair.generator, pair.other) == (name, other):
                return pair
            if (pair.generator, pair.other) == (other, name):
                return pair.turned()
        raise KeyError((name, other))


def contest(field: Field) -> str:
    """The sentence for two or more generators."""
    leader = field.leader
    others = sorted(set(field.ranked) - {leader})
    duels = {name: field.between(leader, name) for name in others}
    said = {word: [name for name in others if duels[name].word == word] for word in ("better", "equivalent")}
    if said["better"]:
        rest = [name for name in others if name not in said["better"] + said["equivalent"]]
        end = f"; it is equivalent to {join_words(said['equivalent'])}" if said["equivalent"] else ""
        if rest:
            unclear = _open(field, [duels[name] for name in rest])
            end += f"; whether it is better than {join_words(rest, 'or')} {unclear}"
        where = "" if all(duels[name].photos for name in said["better"]) else "On these held-out photos "
        return f"{where}{leader} is better than {join_words(said['better'])}{end}{_no_need(field, [leader])}."
    if len(said["equivalent"]) == len(others):
        margin = max(duel.margin or 0 for duel in duels.values())
        return (
            f"{leader} is equivalent to {join_words(others)}: they differ by less than KID can resolve with these "
            f"photos ({number(margin)}){_no_need(field, [leader])}."
        )
    if all(duels[name].seen == "better" for name in others):
        fewest = min(duels.values(), key=lambda duel: duel.cells)
        return _sentence(
            f"{_where(fewest)} {leader} is better than {join_words(others)}; whether it is better in general "
            f"{_open(field, list(duels.values()))}{_no_need(field, [leader])}"
        )
    names = sorted(field.ranked)
    if all(duel.word == "undecided" for duel in duels.values()):
        runs = min(duel.cells for duel in duels.values())
        return f"{join_words(names)} are undecided: {runs} paired runs show no difference{_no_need(field, names)}."
    return f"Which of {join_words(names)} is better {_open(field, list(duels.values()))}{_no_need(field, names)}."


def alone(name: str, field: Field) -> str:
    """The sentence for one generator: where it stands against the anchors."""
    standing = {comparison.other: comparison for comparison in field.standing}
    if not standing:
        return (
            f"{name} was judged alone: without another generator, classic or copies there is nothing that it could "
            f"be better or worse than ({field.n})."
        )
    first = standing.get("classic") or standing["copies"]
    samples = f"the samples of {name} are"
    if first.seen is None:
        if first.word == "equivalent":
            return (
                f"The samples of {name} are as near to the held-out photos as {ANCHORS[first.other]}: the difference "
                f"is less than KID can resolve with these photos ({number(first.margin or 0)})"
                f"{': you do not need it yet' if first.other == 'classic' else ''}."
            )
        end = f"is undecided after {first.cells} paired runs" if first.word == "undecided" else _open(field, [first])
        return f"Whether {samples} {_NEARER} than {ANCHORS[first.other]} {end}."
    if first.seen == "worse":
        end = ": you do not need it yet" if first.other == "classic" else ""
        return _sentence(f"{_where(first)} {samples} not {_NEARER} than {ANCHORS[first.other]}{end}")
    # Copies are real photos: they show how near photos come, which is the floor and no rival.
    floor = standing.get("copies", first)
    end = ", though not as near as the training photos themselves" if floor.seen == "worse" else ""
    end += "" if first.p is not None else f"; whether that holds in general {_open(field, [first])}"
    return _sentence(f"{_where(first)} {samples} {_NEARER} than {ANCHORS[first.other]}{end}")


def nobody_to_rank(cards: Sequence[ScoreCard], heldout: Sequence[ScoreCard], copying: str) -> tuple[str, str]:
    """The sentence, and why, where no generator can be ranked."""
    if not cards:
        return (
            "There is nothing to judge yet: no samples have been scored.",
            "Run `handful score`, or `handful compare`, which does every stage.",
        )
    if not heldout:
        return (
            "Nothing was scored against held-out photos, so no generator can be called better or worse.",
            "A score against training photos is best for plain copies. Hold photos out (`handful dataset --heldout` or "
            "`--folds`) and score with the protocol heldout-v1.",
        )
    if not copying:
        return (
            "Only anchors were scored against held-out photos: there is no generator to judge yet.",
            "Anchors fix the scale of a comparison. Train a generator; `handful generators` lists them.",
        )
    return f"No generator is left to rank; {copying}.", ""


def numbers(field: Field) -> str:
    """Held-out KID of everybody who takes part."""
    single = field.seeds * field.folds == 1
    parts = []
    for name, cells in sorted(field.ranked.items()) + sorted(field.anchors.items()):
        scores = list(cells.values())
        mean = number(float(np.mean([score.value for score in scores])))
        parts.append(f"{name} {mean} {interval(scores[0]) if single else ''}".strip())
    how = "with its 95 % interval over images" if single else "mean over runs"
    return f"KID to the held-out photos, lower is nearer, {how}: {', '.join(parts)}."


def decision(field: Field) -> str:
    """What decided between the generators, or what it would take."""
    leader = field.leader
    duels = [field.between(leader, name) for name in sorted(field.ranked) if name != leader]
    asked = duels or list(field.standing)
    tested = [duel for duel in asked if duel.p is not None]
    words = []
    if tested:
        runs, photos = min(duel.cells for duel in tested), min(duel.photos for duel in tested)
        photo_test = f" and crossed t-test over {plural(photos, 'held-out photo')} and runs" if photos else ""
        words.append(
            f"Sign-flip test of {leader} over {runs} paired runs{photo_test}{', the larger p' if photos else ''} "
            f"corrected by Holm for {plural(len(field.pairs or field.standing), 'comparison')}: "
            f"{'; '.join(_measured(duel) for duel in tested)}."
        )
        if not photos:
            words.append(
                "The score cards do not say what each photo adds: what is claimed holds for these held-out photos."
            )
    few = [pair.cells for pair in asked if pair.p is None]
    if few or not asked:
        seeds = max(LEAST_SEEDS, math.ceil(LEAST_PAIRS / field.folds))
        folds = f" on each of the {field.folds} folds" if field.folds > 1 else ""
        there = f"{'there is' if few[0] == 1 else 'there are'} {min(few)}" if few else "there are none"
        words.append(
            f"A claim needs {LEAST_PAIRS} paired runs from at least {LEAST_SEEDS} seeds, and {there}: run {seeds} seeds"
            f"{folds} (`--seeds {','.join(map(str, range(seeds)))}`); where intervals overlap, more held-out photos "
            "narrow them."
        )
    return " ".join(words)


def agreement(found: Agreement) -> str:
    """How two feature spaces rank alike."""
    order = ""
    if len(found.generators) > 1:
        order = f": Kendall's tau {number(found.tau)} [{number(found.low)}, {number(found.high)}]"
    verb = "agree" if found.agree else "disagree"
    against = [f"{one} against {other}" for one, other in found.contradicted]
    return (
        f"{found.first} and {found.second} (by {found.score}) {verb}{order}"
        f"{f'; they differ on {join_words(against)}' if against else ''}."
    )


def one_space(protocol: str) -> str:
    """Says that nothing confirms what one feature space shows."""
    return f"Only {protocol} looked at these generators; no second feature space confirms its order."


def disagreement(found: Agreement) -> str:
    """The sentence where two feature spaces rank differently."""
    if found.overturned:
        pairs = join_words([f"{one} against {other}" for one, other in found.overturned])
        return f"No ranking is given: {found.first} and {found.second} point opposite ways on {pairs}."
    return (
        f"No ranking is given: {found.first} and {found.second} disagree on {join_words(found.generators)} "
        f"(Kendall's tau {number(found.tau)}, 95 % interval {number(found.low)} to {number(found.high)})."
    )


def against_anchors(field: Field) -> str:
    """Where every ranked generator stands against `classic` and `copies`."""
    lines = []
    for anchor, words in ANCHORS.items():
        stands: dict[str, list[str]] = {}
        for comparison in field.standing:
            if comparison.other == anchor:
                stands.setdefault(_stand(comparison), []).append(comparison.generator)
        if stands:
            told = "; ".join(f"{join_words(names)} {stand}" for stand, names in stands.items())
            lines.append(f"Against {words}: {told}.")
    missing = [anchor for anchor in ANCHORS if anchor not in field.anchors]
    if missing:
        lines.append(f"Not scored for comparison: {join_words(missing)}.")
    return " ".join(lines)


def copies_best(protocol: str, value: float) -> str:
    """Why the best score on a training protocol is no praise."""
    return (
        f"On {protocol}, copies scores best (KID {number(value)}): that is copying, not generating, and is not ranked."
    )


def left_apart(cards: Sequence[ScoreCard], deciding: ScoreCard) -> str:
    """Says that some cards could not be compared, and names both sides: such cards are never joined."""
    sides = {_side(card, deciding): None for card in cards}
    return (
        f"{plural(len(cards), 'held-out score card')} with another protocol fingerprint or data set took no part: "
        f"{'; '.join(sides)}."
    )


def _side(card: ScoreCard, deciding: ScoreCard) -> str:
    """'heldout-v1 with samples 50, and heldout-v1 with samples 100 decides': what the plans differ in."""
    own, others = card.protocol_plan, deciding.protocol_plan
    keys = [key for key in {**own, **others} if own.get(key) != others.get(key)]
    keys = [key for key in keys if not isinstance(own.get(key, others.get(key)), dict)] or keys
    if not keys:
        what = "data set" if card.dataset_fingerprint != deciding.dataset_fingerprint else "fingerprint"
        return (
            f"{card.protocol} of {card.generator} has another {what} than {deciding.protocol} of {deciding.generator}"
        )

    def told(plan: Mapping[str, Any]) -> str:
        return ", ".join(key if isinstance(plan.get(key), dict) else f"{key} {plan.get(key)}" for key in keys)

    return f"{card.protocol} of {card.generator} with {told(own)} is not {deciding.protocol} with {told(others)}"


def _no_need(field: Field, names: Sequence[str]) -> str:
    """The end of a sentence where classic augmentation is seen to be as good as every one of the names."""
    seen = {comparison.generator: comparison for comparison in field.standing if comparison.other == "classic"}
    if not all(name in seen and seen[name].seen == "worse" for name in names):
        return ""
    who, them = ("it is not", "it") if len(names) == 1 else ("none is", "them")
    return f", and {who} {_NEARER} than {ANCHORS['classic']}: you do not need {them} yet"


def _stand(comparison: Comparison) -> str:
    if comparison.seen is None:
        return comparison.word
    return f"{'' if comparison.seen == 'better' else 'not '}{_NEARER} {_where(comparison)}".strip()


def _where(comparison: Comparison) -> str:
    """How far what was seen reaches; empty for a claim."""
    if comparison.p is not None:
        return ""
    if comparison.cells == 1:
        return "in this one run"
    if comparison.seeds == 1:
        return f"with this one seed, on each of {comparison.cells} folds,"
    return f"in each of these {comparison.cells} runs"


def _measured(duel: Comparison) -> str:
    """'against began −0.06 [−0.07, −0.05], 2.1 SD, p = 0.00195'."""
    parts = [f"against {duel.other} {number(duel.mean_difference or 0)} {_interval_words(duel)}".strip()]
    if duel.effect is not None:
        parts.append(f"{number(abs(duel.effect))} SD")
    return ", ".join([*parts, f"p = {number(duel.p or 0)}"])


def _interval_words(duel: Comparison) -> str:
    return f"[{number(duel.low)}, {number(duel.high)}]" if duel.low is not None and duel.high is not None else ""


def _open(field: Field, duels: Sequence[Comparison]) -> str:
    """The predicate of what is not claimed: 'is undecided', or that n is too small and what n it would take."""
    if all(duel.word == "undecided" for duel in duels):
        return "is undecided"
    blind = [duel for duel in duels if duel.word == CANNOT]
    runs = max([LEAST_PAIRS * (duel.p is None) for duel in blind] + [duel.needed_runs or 0 for duel in blind])
    photos = max(duel.needed_photos or 0 for duel in blind)
    takes = [plural(runs, "paired run")] if runs > min(duel.cells for duel in blind) else []
    takes += [plural(photos, "held-out photo")] if photos > min(duel.photos for duel in blind) else []
    return f"{CANNOT} ({field.n}{f'; it takes {join_words(takes)}' if takes else ''})"


def _sentence(text: str) -> str:
    text = text.strip()
    return f"{text[0].upper()}{text[1:]}."
