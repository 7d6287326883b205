"""Score tables: one for each protocol, never mixed. HTML, CSV and JSON are all written from these."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from handful.core import registry
from handful.core.artifacts import Score, ScoreCard
from handful.core.config import Settings
from handful.report.anchored import Scale, fix_scales, place
from handful.report.copying import judge_copying
from handful.report.words import name_contestants

_CARD_COLUMNS = [
    "protocol",
    "protocol_fingerprint",
    "dataset_fingerprint",
    "generator",
    "anchor",
    "run_id",
    "seed",
    "fold",
]
_SCORE_COLUMNS = ["value", "low", "high", "n_reference", "m_samples"]


class Cell(Settings):
    """What one generator has in one column: a single score, or several runs' scores in short."""

    value: float
    """The score, or the mean over runs."""
    low: float | None
    """Of one run: its 95 % interval over images. Of several: the least run."""
    high: float | None
    runs: int
    n: int | None
    """Photos compared with; None where runs differ."""
    m: int | None
    """Samples; None where runs differ."""
    scale: float | None = None
    """Where it stands between spoilt photos, 0, and real photos, 1, or the mean over runs; None without a scale."""


class Row(Settings):
    """One generator, or one run of it."""

    name: str
    anchor: bool
    copying: str
    """'fails the copy gate: not ranked' or the like; '' where it does not copy."""
    seed: int | None
    fold: int | None
    """Seed and fold of a single run; None for a row over several."""
    runs: int
    seeds: int
    n: int | None
    """Photos that the deciding score compared with; None where runs differ."""
    m: int | None
    """Samples; None where runs differ."""
    cells: dict[str, Cell]
    """Score name -> cell; a score that a card lacks is absent."""


class Table(Settings):
    """All cards with one protocol fingerprint and one data set."""

    protocol: str
    protocol_fingerprint: str
    dataset_fingerprint: str
    network: str
    reference: str
    columns: tuple[str, ...]
    own_n: dict[str, int]
    """Columns that compare with another number of photos than the deciding score, with that number, if it is one."""
    rows: tuple[Row, ...]
    """One a generator: alphabetical, anchors last; the order is no ranking."""
    run_rows: tuple[Row, ...]
    """One a run, in the same order; empty where each generator has one run only."""
    notes: tuple[str, ...]
    """What the scores say about themselves, each once."""
    scaled: bool = False
    """Whether any score stands on the scale of its anchors."""


def build_tables(cards: Sequence[ScoreCard]) -> tuple[Table, ...]:
    """One table for each (protocol, its fingerprint, data set): held-out protocols first."""
    groups: dict[tuple[bool, str, str, str], list[ScoreCard]] = {}
    photos = [card for card in cards if card.of_photos]
    contestants = [card for card in cards if not card.of_photos]
    for card in contestants:
        heldout = card.protocol.startswith("heldout")
        key = (not heldout, card.protocol, card.protocol_fingerprint, card.dataset_fingerprint)
        groups.setdefault(key, []).append(card)
    names = name_contestants(cards)
    tags = {name: found.tag for name, found in judge_copying(contestants).items()}
    return tuple(_table(groups[key], _anchors_of(groups[key], photos), names, tags) for key in sorted(groups))


def better_word(score: str) -> str:
    """How to read a column: 'lower is better', 'best near 1'; empty for a score that is not ours."""
    better, best = _reading(score)
    return {"lower": "lower is better", "higher": "higher is better", "neither": f"best near {best:g}"}.get(better, "")


def scores_csv(cards: Sequence[ScoreCard]) -> str:
    """Every score of every card, one a line, with every digit that the card has."""
    out = io.StringIO()
    writer = csv.DictWriter(out, [*_CARD_COLUMNS, "score", *_SCORE_COLUMNS, "notes"], lineterminator="\n")
    writer.writeheader()
    for card in sorted(cards, key=lambda card: (card.protocol, card.protocol_fingerprint, card.run_id)):
        for score in card.scores:
            row = {name: getattr(card, name) for name in _CARD_COLUMNS}
            row |= {name: getattr(score, name) for name in _SCORE_COLUMNS}
            writer.writerow(row | {"score": score.name, "notes": " ".join(score.notes)})
    return out.getvalue()


def _anchors_of(cards: Sequence[ScoreCard], photos: Sequence[ScoreCard]) -> list[ScoreCard]:
    """The photos that were judged in the same way, but for their number: there are as many as there are."""

    def way(card: ScoreCard) -> tuple[str, str, dict[str, Any]]:
        plan = {name: value for name, value in card.protocol_plan.items() if name != "samples"}
        return card.protocol, card.dataset_fingerprint, plan

    folds = {card.fold for card in cards}
    return [card for card in photos if way(card) == way(cards[0]) and card.fold in folds]


def _table(
    cards: Sequence[ScoreCard], photos: Sequence[ScoreCard], names: dict[str, str], tags: dict[str, str]
) -> Table:
    first = cards[0]
    scales = fix_scales(photos)
    ordered = sorted(
        [*cards, *photos],
        key=lambda card: (card.of_photos, card.anchor, names[card.run_id], card.seed or 0, card.fold),
    )
    drawn = [card for card in ordered if not card.of_photos]
    contestants: dict[str, list[ScoreCard]] = {}
    for card in ordered:
        contestants.setdefault(names[card.run_id], []).append(card)
    several = any(len(own) > 1 for own in contestants.values())
    notes = {f"{score.name}: {note}": None for card in drawn for score in card.scores for note in score.notes}
    notes |= {note: None for card in drawn for note in card.notes}
    notes |= {f"{name} is left out. {why}": None for card in drawn for name, why in card.left_out.items()}

    def row(name: str, own: Sequence[ScoreCard]) -> Row:
        return _row(name, own, tags.get(name, ""), scales)

    rows = tuple(row(name, own) for name, own in contestants.items())
    return Table(
        protocol=first.protocol,
        protocol_fingerprint=first.protocol_fingerprint,
        dataset_fingerprint=first.dataset_fingerprint,
        network=str(first.protocol_plan.get("network", "not stated")),
        reference=str(first.protocol_plan.get("reference", "not stated")),
        own_n=_own_n(drawn),
        columns=tuple(dict.fromkeys(score.name for card in _primary_first(ordered) for score in card)),
        rows=rows,
        run_rows=tuple(row(names[card.run_id], [card]) for card in ordered) if several else (),
        notes=tuple(notes),
        scaled=any(cell.scale is not None for one in rows for cell in one.cells.values()),
    )


def _primary_first(cards: Sequence[ScoreCard]) -> list[list[Score]]:
    """The scores of each card, the one that decides in front."""
    return [sorted(card.scores, key=lambda score: score.name != "kid") for card in cards]


def _own_n(cards: Sequence[ScoreCard]) -> dict[str, int]:
    counts: dict[str, set[int]] = {}
    for scores in _primary_first(cards):
        for score in scores:
            counts.setdefault(score.name, set()).add(score.n_reference)
    deciding = next(iter(counts.values()), set())
    return {name: next(iter(found)) for name, found in counts.items() if len(found) == 1 and found != deciding}


def _row(name: str, cards: Sequence[ScoreCard], copying: str, scales: Mapping[tuple[str, int], Scale]) -> Row:
    scores: dict[str, list[Score]] = {}
    places: dict[str, list[float | None]] = {}
    for card in cards:
        for score in card.scores:
            scores.setdefault(score.name, []).append(score)
            places.setdefault(score.name, []).append(place(score, card.fold, scales))
    single = len(cards) == 1
    cells = {score: _cell(own, places[score]) for score, own in scores.items()}
    deciding = cells.get("kid") or next(iter(cells.values()), None)
    return Row(
        name=name,
        anchor=cards[0].anchor,
        copying=copying,
        seed=cards[0].seed if single else None,
        fold=cards[0].fold if single else None,
        runs=len(cards),
        seeds=len({card.seed for card in cards}),
        n=deciding.n if deciding else None,
        m=deciding.m if deciding else None,
        cells=cells,
    )


def _cell(scores: Sequence[Score], places: Sequence[float | None]) -> Cell:
    values = [score.value for score in scores]
    n, m = {score.n_reference for score in scores}, {score.m_samples for score in scores}
    single = len(scores) == 1
    known = [found for found in places if found is not None]
    return Cell(
        value=values[0] if single else float(np.mean(values)),
        low=scores[0].low if single else min(values),
        high=scores[0].high if single else max(values),
        runs=len(scores),
        n=n.pop() if len(n) == 1 else None,
        m=m.pop() if len(m) == 1 else None,
        scale=float(np.mean(known)) if known and len(known) == len(places) else None,
    )


@cache
def _reading(score: str) -> tuple[str, float]:
    name = score.partition(" (")[0]  # what stands in brackets is the network
    facts = registry.describe("scores", name).facts if name in registry.names("scores") else {}
    if facts.get("compares_with") == "nothing":
        return "", 0.0  # it says nothing of how good samples are
    return str(facts.get("better", "")), float(facts.get("best", 0))
