"""Score tables: one for each protocol, never mixed. HTML, CSV and JSON are all written from these."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from functools import cache

import numpy as np

from handful.core import registry
from handful.core.artifacts import Score, ScoreCard
from handful.core.config import Settings
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


def build_tables(cards: Sequence[ScoreCard]) -> tuple[Table, ...]:
    """One table for each (protocol, its fingerprint, data set): held-out protocols first."""
    groups: dict[tuple[bool, str, str, str], list[ScoreCard]] = {}
    for card in cards:
        heldout = card.protocol.startswith("heldout")
        key = (not heldout, card.protocol, card.protocol_fingerprint, card.dataset_fingerprint)
        groups.setdefault(key, []).append(card)
    names = name_contestants(cards)
    tags = {name: found.tag for name, found in judge_copying(cards).items()}
    return tuple(_table(groups[key], names, tags) for key in sorted(groups))


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


def _table(cards: Sequence[ScoreCard], names: dict[str, str], tags: dict[str, str]) -> Table:
    first = cards[0]
    ordered = sorted(cards, key=lambda card: (card.anchor, names[card.run_id], card.seed or 0, card.fold))
    contestants: dict[str, list[ScoreCard]] = {}
    for card in ordered:
        contestants.setdefault(names[card.run_id], []).append(card)
    several = any(len(own) > 1 for own in contestants.values())
    notes = {f"{score.name}: {note}": None for card in ordered for score in card.scores for note in score.notes}
    notes |= {note: None for card in ordered for note in card.notes}
    notes |= {f"{name} is left out. {why}": None for card in ordered for name, why in card.left_out.items()}
    return Table(
        protocol=first.protocol,
        protocol_fingerprint=first.protocol_fingerprint,
        dataset_fingerprint=first.dataset_fingerprint,
        network=str(first.protocol_plan.get("network", "not stated")),
        reference=str(first.protocol_plan.get("reference", "not stated")),
        own_n=_own_n(ordered),
        columns=tuple(dict.fromkeys(score.name for card in _primary_first(ordered) for score in card)),
        rows=tuple(_row(name, own, tags[name]) for name, own in contestants.items()),
        run_rows=tuple(_row(name := names[card.run_id], [card], tags[name]) for card in ordered) if several else (),
        notes=tuple(notes),
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


def _row(name: str, cards: Sequence[ScoreCard], copying: str) -> Row:
    scores: dict[str, list[Score]] = {}
    for card in cards:
        for score in card.scores:
            scores.setdefault(score.name, []).append(score)
    single = len(cards) == 1
    cells = {score: _cell(own) for score, own in scores.items()}
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


def _cell(scores: Sequence[Score]) -> Cell:
    values = [score.value for score in scores]
    n, m = {score.n_reference for score in scores}, {score.m_samples for score in scores}
    single = len(scores) == 1
    return Cell(
        value=values[0] if single else float(np.mean(values)),
        low=scores[0].low if single else min(values),
        high=scores[0].high if single else max(values),
        runs=len(scores),
        n=n.pop() if len(n) == 1 else None,
        m=m.pop() if len(m) == 1 else None,
    )


@cache
def _reading(score: str) -> tuple[str, float]:
    name = score.partition(" (")[0]  # what stands in brackets is the network
    facts = registry.describe("scores", name).facts if name in registry.names("scores") else {}
    if facts.get("compares_with") == "nothing":
        return "", 0.0  # it says nothing of how good samples are
    return str(facts.get("better", "")), float(facts.get("best", 0))
