"""Who hands out copies of training photos and is therefore not ranked: one rule, the copy gate's.

A generator fails with its first run that fails, and a run fails where its share of copies is too high beyond doubt. To
drop such a run alone would be to choose among runs by what they show; to keep it would reward it, for a copy is as near
to held-out photos as photos are. Where the gate could not judge a run, `nearest_photo` stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from handful.core.artifacts import ScoreCard
from handful.core.config import Settings
from handful.pages.words import join_words, number, percent, plural
from handful.report.words import find, name_contestants

NEAREST_BELOW = 0.5
"""Where `nearest_photo` stands in, a run fails whose interval ends below this."""


class Copying(Settings):
    """What is known of one contestant's copies."""

    generator: str
    anchor: bool
    runs: int
    gated: int
    """Runs that the gate judged."""
    failed: int
    """Runs that fail."""
    by: Literal["gate", "nearest_photo"]
    """What the failing runs fail by; the gate where any of them does. Without a failing run: what judged them."""
    worst: float | None
    """Of failing runs: the largest share of copies, or the lowest upper limit of `nearest_photo`. Without failing
    runs None."""
    why_not_gated: str
    """Why the gate did not judge a run; '' where it judged all."""

    @property
    def fails(self) -> bool:
        return self.failed > 0

    @property
    def tag(self) -> str:
        """For a row of a table; '' where nothing fails."""
        if not self.fails or self.anchor:
            return "copies photos" if self.fails else ""
        return f"{'fails the copy gate' if self.by == 'gate' else 'copies photos'}: not ranked"


def judge_copying(cards: Sequence[ScoreCard]) -> dict[str, Copying]:
    """Contestant -> whether it copies, anchors included."""
    names = name_contestants(cards)
    runs: dict[str, dict[str, list[ScoreCard]]] = {}
    for card in cards:
        runs.setdefault(names[card.run_id], {}).setdefault(card.run_id, []).append(card)
    return {name: _contestant(name, list(own.values())) for name, own in runs.items()}


def copying_sentence(failing: Sequence[Copying]) -> str:
    """'patch_nn fails the copy gate: not ranked'; '' where nobody fails."""
    parts = []
    for by, one, several in (
        ("gate", "fails the copy gate", "fail the copy gate"),
        ("nearest_photo", "copies the training photos", "copy the training photos"),
    ):
        names = [copying.generator for copying in failing if copying.by == by]
        if names:
            parts.append(f"{join_words(names)} {one if len(names) == 1 else several}")
    return f"{join_words(parts)}: not ranked" if parts else ""


def copying_words(judged: Sequence[Copying]) -> list[str]:
    """Numbers behind every failure, and where the gate could not judge; of generators, not of anchors."""
    lines = [_failure(copying) for copying in judged if copying.fails]
    unseen: dict[str, list[str]] = {}
    for copying in judged:
        if copying.why_not_gated:
            unseen.setdefault(copying.why_not_gated, []).append(copying.generator)
    lines += [
        f"The copy gate did not judge {join_words(names)}: {why} nearest_photo stands in, which sees whole copies only."
        for why, names in unseen.items()
    ]
    return lines


def _failure(copying: Copying) -> str:
    runs = f"in {copying.failed} of {plural(copying.runs, 'run')}"
    if copying.by == "gate":
        share = percent(copying.worst or 0)
        return (
            f"{copying.generator} fails the copy gate {runs} and is not ranked: up to {share} of its samples are "
            "copies or near-copies of training photos."
        )
    return (
        f"{copying.generator} copies its training photos {runs} (nearest_photo at most {number(copying.worst or 0)}, "
        f"below {number(NEAREST_BELOW)}) and is not ranked."
    )


def _contestant(name: str, runs: Sequence[Sequence[ScoreCard]]) -> Copying:
    shares: list[float] = []
    nearest: list[float] = []
    gated, reason = 0, ""
    for cards in runs:
        gates = [score for card in cards if (score := find(card, "gate")) and "passes" in score.details]
        if gates:
            gated += 1
            if any(score.details["passes"] == 0 for score in gates):
                shares.append(max(score.value for score in gates))
        else:
            reason = next((why for card in cards if (why := card.left_out.get("gate"))), "`pixels` was not scored.")
            highs = [score.high for card in cards if (score := find(card, "nearest_photo")) and score.high is not None]
            if min(highs, default=NEAREST_BELOW) < NEAREST_BELOW:
                nearest.append(min(highs))
    return Copying(
        generator=name,
        anchor=runs[0][0].anchor,
        runs=len(runs),
        gated=gated,
        failed=len(shares) + len(nearest),
        by="gate" if shares or (gated and not nearest) else "nearest_photo",
        worst=max(shares) if shares else min(nearest, default=None),
        why_not_gated=reason,
    )
