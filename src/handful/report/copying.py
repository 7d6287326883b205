"""Who hands out copies of training photos and is therefore not ranked: one rule, the copy gate's.

The samples of all its runs together decide, as in every other rule: a generator fails where their share of copies is
too high beyond doubt. One run in ten that copies wholesale is enough for that; chance in one of many runs is not, as
it would be if any run could fail it. Where the gate could not judge a run, `nearest_photo` stands in for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from handful.core.artifacts import Score, ScoreCard
from handful.core.config import Settings
from handful.pages.words import join_words, number, percent, plural
from handful.report.words import find, name_contestants
from handful.statistics.binomial import share_limits

NEAREST_BELOW = 0.5
"""Where `nearest_photo` stands in, a run fails whose interval ends below this."""


class Copying(Settings):
    """What is known of one contestant's copies."""

    generator: str
    anchor: bool
    fails: bool
    by: Literal["gate", "nearest_photo"]
    """What it fails by, or else what judged it; the gate where it judged any run."""
    runs: int
    failed: int
    """Runs that fail by themselves."""
    copies: int
    """Samples that the gate calls copies or near-copies, over all runs that it judged."""
    samples: int
    low: float | None
    """Lower end of the exact 95 % interval of their share; None where the gate judged no run."""
    high: float | None
    allowed: float
    """Above which `low` fails the gate."""
    nearest: float | None
    """The lowest upper limit of `nearest_photo` over the runs that the gate did not judge; None without one."""
    why_not_gated: str
    """Why the gate did not judge a run; '' where it judged all."""

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
    lines += [
        f"{copying.failed} of {plural(copying.runs, 'run')} of {copying.generator} fail the copy gate by themselves; "
        f"over all its runs {_share(copying)}, so it stays."
        for copying in judged
        if copying.failed and not copying.fails
    ]
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
    if copying.by == "gate":
        return f"{copying.generator} fails the copy gate and is not ranked: {_share(copying)}."
    return (
        f"{copying.generator} copies its training photos in {copying.failed} of {plural(copying.runs, 'run')} "
        f"(nearest_photo at most {number(copying.nearest or 0)}, below {number(NEAREST_BELOW)}) and is not ranked."
    )


def _share(copying: Copying) -> str:
    """'23 of 100 samples are copies or near-copies of training photos (at least 15 %, 1 % is allowed)'."""
    return (
        f"{copying.copies} of {plural(copying.samples, 'sample')} are copies or near-copies of training photos (at "
        f"least {percent(copying.low or 0)}, {percent(copying.allowed)} is allowed)"
    )


def _contestant(name: str, runs: Sequence[Sequence[ScoreCard]]) -> Copying:
    gates: list[Score] = []
    nearest: list[float] = []
    reason = ""
    for cards in runs:
        own = [score for card in cards if (score := find(card, "gate")) and "allowed_share" in score.details]
        if own:
            gates.append(max(own, key=lambda score: score.value))  # of protocols that asked the same
        else:
            reason = next((why for card in cards if (why := card.left_out.get("gate"))), "`pixels` was not scored.")
            limits = [score.high for card in cards if (score := find(card, "nearest_photo")) and score.high is not None]
            nearest += [min(limits)] if limits else []
    copies, samples = sum(round(gate.value * gate.m_samples) for gate in gates), sum(gate.m_samples for gate in gates)
    low, high = share_limits(copies, samples) if samples else (None, None)
    allowed = max((gate.details["allowed_share"] for gate in gates), default=0.0)
    fails_gate = low is not None and low > allowed
    hugging = [limit for limit in nearest if limit < NEAREST_BELOW]
    return Copying(
        generator=name,
        anchor=runs[0][0].anchor,
        fails=fails_gate or bool(hugging),
        by="gate" if fails_gate or (gates and not hugging) else "nearest_photo",
        runs=len(runs),
        failed=sum(gate.details["passes"] == 0 for gate in gates) + len(hugging),
        copies=copies,
        samples=samples,
        low=low,
        high=high,
        allowed=allowed,
        nearest=min(nearest, default=None),
        why_not_gated=reason,
    )
