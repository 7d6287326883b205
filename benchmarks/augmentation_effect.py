"""Does augmentation help DCGAN and BEGAN, and which? Verdicts over the parts of a finished study.

`handful compare PHOTOS --recipe augmentation --seeds 0,1,2,3,4 --folds 2 --out STUDY` trains both generators once for
each way of augmentation, seed and fold, on the same split. This script pairs the runs of each way with those without
augmentation, generator by generator: by the rules of the verdict (held-out KID, ten pairs, two tests, Holm over all
comparisons printed), in every feature space of the cards. Beside it, mean and standard deviation over runs of:
diversity (of samples over that of photos; near 0 is collapse) and nearest_photo (near 0 is copying).

Usage: python benchmarks/augmentation_effect.py STUDY
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

from hardware import hardware

from handful.core.artifacts import RunManifest, ScoreCard, StudyManifest
from handful.report.collect import collect
from handful.report.comparison import compare_pairs
from handful.report.words import find

BASE = "none"
GENERATORS = ("dcgan", "began")
SPREADS = (
    ("heldout-v1", "kid"),
    ("heldout-v1+pixels", "diversity"),
    ("heldout-v1", "nearest_photo"),
    ("training-v1", "kid"),
)


def contestant(generator: str, part: str) -> str:
    return f"{generator} {part}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="folder of the finished study")
    folder = parser.parse_args().study
    cards: dict[tuple[str, str], list[ScoreCard]] = {}
    alarms: dict[str, list[str]] = {}
    for part in StudyManifest.read(folder).parts:
        if not (folder / part / "compare.json").exists():
            continue
        evidence = collect(folder / part)
        for card in evidence.cards:
            if not card.anchor or part == BASE:
                cards.setdefault((card.protocol, contestant(card.generator, part)), []).append(card)
        for run in evidence.runs:
            _note_alarms(alarms, run.manifest, part)
    names = sorted({name for _, name in cards})
    rows = []
    for name in names:
        row: dict[str, Any] = {"contestant": name, "runs": len(cards["heldout-v1", name])}
        for protocol, score in SPREADS:
            found = [one.value for card in cards.get((protocol, name), []) if (one := find(card, score))]
            if found:
                spread = statistics.stdev(found) if len(found) > 1 else 0.0
                row[f"{protocol}:{score}"] = f"{statistics.fmean(found):.4g} +- {spread:.2g}"
        row["alarms"] = alarms.get(name, [])
        rows.append(row)
    print(json.dumps({"hardware": hardware(), "rows": rows, "verdicts": _verdicts(cards, names)}, indent=1))


def _verdicts(cards: dict[tuple[str, str], list[ScoreCard]], names: list[str]) -> list[dict[str, Any]]:
    """Each way of augmentation against none, in each space that has KID."""
    pairs = [
        (name, contestant(generator, BASE))
        for generator in GENERATORS
        for name in names
        if name.startswith(generator + " ") and name != contestant(generator, BASE)
    ]
    found = []
    for protocol in sorted({protocol for protocol, _ in cards if protocol.startswith("heldout")}):
        scores = {
            name: {(card.seed or 0, card.fold): score for card in own if (score := find(card, "kid"))}
            for (space, name), own in cards.items()
            if space == protocol
        }
        if not any(scores.values()):
            continue
        for one in compare_pairs(pairs, scores):
            shown = one.model_dump(exclude_none=True)
            found.append({"space": protocol, **{key: _short(value) for key, value in shown.items()}})
    return found


def _short(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _note_alarms(alarms: dict[str, list[str]], run: RunManifest, part: str) -> None:
    for alarm in run.alarms:
        alarms.setdefault(contestant(run.generator, part), []).append(f"{alarm.kind} at {alarm.step}")


if __name__ == "__main__":
    main()
