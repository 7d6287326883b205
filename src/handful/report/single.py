"""What can be told where one photo, or very few, was learned from and none is left to judge by. Nothing is ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from handful.core import registry
from handful.core.artifacts import ScoreCard
from handful.pages.words import join_words, number, plural

NOT_FROM_ONE_PHOTO = (
    "which generator is better: no photo is left to judge by, and a plain copy of what was learned from scores best",
    "how much parts differ from one another, and whether samples show that",
    "how often anything happens, and whether samples would help to inspect other parts",
)
"""What single-v1 leaves open."""


def is_single(card: ScoreCard) -> bool:
    """Whether the card was made by single-v1."""
    return card.protocol.startswith("single")


def single(cards: Sequence[ScoreCard], names: Mapping[str, str]) -> tuple[str, list[str]]:
    """The sentence, and why.

    Args:
        cards: of single-v1, at least one.
        names: run id -> contestant.
    """
    photos = plural(max((score.n_reference for card in cards for score in card.scores), default=1), "photo")
    sentence = (
        f"Nothing is ranked: with {photos} it can be told how near samples come to what was learned from and how much "
        "of it they copy, and no more."
    )
    lines = [_contestant(name, [card for card in cards if names[card.run_id] == name]) for name in _order(cards, names)]
    return sentence, [*lines, *(f"{photos} cannot say {line}." for line in NOT_FROM_ONE_PHOTO)]


def _order(cards: Sequence[ScoreCard], names: Mapping[str, str]) -> list[str]:
    anchors = {names[card.run_id]: card.anchor for card in cards}
    return sorted(anchors, key=lambda name: (anchors[name], name))


def _contestant(name: str, cards: Sequence[ScoreCard]) -> str:
    """'singan: nearness sifid 0.12 and swd 0.3; copying verbatim 0.4.': the one is never told without the other."""
    values: dict[str, list[float]] = {}
    for card in cards:
        for score in card.scores:
            values.setdefault(score.name, []).append(score.value)
    parts = []
    for sees, words in (("closeness", "nearness"), ("novelty", "copying"), ("variety", "variety")):
        told = [f"{score} {number(float(np.mean(own)))}" for score, own in values.items() if _sees(score) == sees]
        if told:
            parts.append(f"{words} by {join_words(told)}")
        elif sees == "novelty":
            parts.append("copying was not measured, so nearness may be nothing but that")
    return f"{name}: {'; '.join(parts)}."


def _sees(score: str) -> str:
    if score not in registry.names("scores"):
        return ""
    facts = registry.describe("scores", score).facts
    sees = str(facts.get("sees", "closeness"))
    return "" if sees == "closeness" and facts.get("compares_with") == "nothing" else sees
