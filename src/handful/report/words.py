"""Scores and contestants in words, the same everywhere in the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from handful.core.artifacts import Score, ScoreCard
from handful.pages.words import number


def interval(score: Score) -> str:
    """'[low, high]', or an empty text where the score has no interval."""
    return f"[{number(score.low)}, {number(score.high)}]" if score.low is not None and score.high is not None else ""


def find(card: ScoreCard, name: str) -> Score | None:
    """The card's score of that name."""
    return next((score for score in card.scores if score.name == name), None)


def name_contestants(cards: Sequence[ScoreCard]) -> dict[str, str]:
    """Run id -> the name under which its generator stands in the report."""
    return name_generators([(card.run_id, card.generator, card.seed, card.fold) for card in cards])


def name_generators(runs: Iterable[tuple[str, str, int | None, int | None]]) -> dict[str, str]:
    """Run id -> the generator's name; different generators never share one.

    Where one generator was run with several settings, each setting stands for itself, told apart by the last part
    of its run ids.

    Args:
        runs: (run id, generator, seed, fold); the seed is None for images that no run drew, the fold where it is
            not known.
    """
    runs = list(runs)
    generated = {generator for _, generator, seed, _ in runs if seed is not None}
    runs = [
        (run_id, f"{one} (own images)" if seed is None and one in generated else one, seed, fold)
        for run_id, one, seed, fold in runs
    ]
    cells: dict[tuple[str, int | None, int], set[str]] = {}
    for run_id, generator, seed, fold in runs:
        if fold is not None:
            cells.setdefault((generator, seed, fold), set()).add(run_id)
    several = {generator for (generator, *_), ids in cells.items() if len(ids) > 1}
    short = _short_names({generator for _, generator, _, _ in runs})
    return {
        run_id: f"{short[generator]} ({run_id.partition('@')[0].rsplit('-', 1)[-1]})"
        if generator in several
        else short[generator]
        for run_id, generator, _, _ in runs
    }


def _short_names(generators: set[str]) -> dict[str, str]:
    """Generator -> its name, or for a file its stem; files that would share a name get as much path as tells them
    apart: 'dcgan' and 'dcgan.py', 'old/mine.py' and 'new/mine.py'."""
    short = {one: _stem(one) for one in generators}
    for parts in range(1, max((len(Path(one).parts) for one in generators), default=0) + 1):
        shared = {name for name, count in Counter(short.values()).items() if count > 1}
        for one, name in short.items():
            if name in shared and one.endswith(".py"):
                short[one] = "/".join(Path(one).parts[-parts:])
    return short


def _stem(generator: str) -> str:
    """'new/mine.py' -> 'mine', and with the name of a way of drawing behind it, 'new/mine.py N-1' -> 'mine N-1'."""
    file, _, draw = generator.partition(".py ")
    if draw:
        return f"{Path(file).name} {draw}"
    return Path(generator).stem if generator.endswith(".py") else generator
