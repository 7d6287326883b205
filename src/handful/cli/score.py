"""handful score: how far are these samples from those photos?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit, table_lines
from handful.cli.progress_bar import progress_bar

EXAMPLE = "handful score work/4_samples/RUN work/2_dataset --features efficientnet-lite0"


def command(
    samples: Annotated[Path, typer.Argument(help="A folder of samples, ours or yours.", show_default=False)],
    photos: Annotated[Path, typer.Argument(help="A dataset folder, or a plain folder of photos.", show_default=False)],
    protocol: Annotated[str, typer.Option(help="heldout-v1, training-v1 or single-v1.")] = "heldout-v1",
    features: Annotated[
        str, typer.Option(help="A network (`handful weights` lists them), or pixels for the scores on images.")
    ] = "inception-2015",
    fold: Annotated[int, typer.Option(help="The fold whose photos were held out.")] = 0,
    count: Annotated[
        int | None,
        typer.Option(min=1, help="Judge the first so many samples, by seed; default: all.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the score card; default: 5_scores/RUN.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judges a set of samples under one frozen protocol; every number has its interval and both n."""
    from handful.core.workspace import Workspace
    from handful.scores.evaluate import score_samples

    folder = out
    if folder is None and samples.resolve().parent.name == "4_samples":
        folder = Workspace(samples.resolve().parent.parent).scores / samples.resolve().name
    with progress_bar() as listener:
        card = score_samples(samples, photos, folder, protocol, features, fold, listener, count=count)
    rows = [("score", "value", "95 % interval", "photos", "samples")]
    for score in card.scores:
        interval = "-" if score.low is None else f"{score.low:.4g} to {score.high:.4g}"
        rows.append((score.name, f"{score.value:.4g}", interval, str(score.n_reference), str(score.m_samples)))
    lines = [f"{card.generator} under {card.protocol}, features {features}", *table_lines(rows)]
    lines += [f"note ({score.name}): {text}" for score in card.scores for text in score.notes]
    lines += [f"note: {text}" for text in card.notes]
    lines += [f"left out ({name}): {reason}" for name, reason in card.left_out.items()]
    emit(as_json, card.model_dump(mode="json"), lines)
