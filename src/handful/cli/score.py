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
    anchors: Annotated[
        bool, typer.Option(help="Judge the photos of a data set too, as they are, blurred and noisy, for a scale.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the score card; default: 5_scores/RUN.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Judges a set of samples under one frozen protocol; every number has its interval and both n."""
    from handful.core.workspace import Workspace
    from handful.report.anchored import fix_scales, place
    from handful.scores.evaluate import score_samples
    from handful.scores.photo_anchors import score_photo_anchors

    folder = out
    if folder is None and samples.resolve().parent.name == "4_samples":
        folder = Workspace(samples.resolve().parent.parent).scores / samples.resolve().name
    with progress_bar() as listener:
        card = score_samples(samples, photos, folder, protocol, features, fold, listener, count=count)
        beside = folder.parent if folder is not None and out is None else out
        known = score_photo_anchors(photos, beside, protocol, features, fold, listener) if anchors else ()
    scales = fix_scales(known)
    columns = [one.generator for one in known] + ["scale"] * bool(known)
    rows = [("score", "value", "95 % interval", "photos", "samples", *columns)]
    for score in card.scores:
        interval = "-" if score.low is None else f"{score.low:.4g} to {score.high:.4g}"
        found = [next((one.value for one in other.scores if one.name == score.name), None) for other in known]
        found += [place(score, fold, scales)] * bool(known)
        more = ("-" if value is None else f"{value:.4g}" for value in found)
        rows.append((score.name, f"{score.value:.4g}", interval, str(score.n_reference), str(score.m_samples), *more))
    lines = [f"{card.generator} under {card.protocol}, features {features}", *table_lines(rows)]
    lines += ["scale: 0 as the worse of blurred and noisy photos, 1 as real photos"] * bool(known)
    lines += ["anchors: none, as the data set's training and held-out photos are not both here"] * (
        anchors and not known
    )
    lines += [f"note ({score.name}): {text}" for score in card.scores for text in score.notes]
    lines += [f"note: {text}" for text in card.notes]
    lines += [f"left out ({name}): {reason}" for name, reason in card.left_out.items()]
    emit(as_json, card.model_dump(mode="json"), lines)
