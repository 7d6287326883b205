"""handful review: the reviewer's word on samples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful review RUN --work work/"


def command(
    samples: Annotated[str, typer.Argument(help="A set: a name in 4_samples, or a folder.", show_default=False)],
    work: Annotated[Path, typer.Option(help="The workspace; the review lies in 7_inspection/reviews.")],
    blind: Annotated[
        int | None, typer.Option(help="Instead, a blind test of so many images, half of them photos.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Writes contact sheets and a table to accept or reject samples in; run again, it reads what was filled in."""
    from handful.core.workspace import Workspace
    from handful.inspection.blind import ANSWERS, start_blind_test
    from handful.inspection.inspect import REVIEWS
    from handful.inspection.review import TABLE, start_review
    from handful.inspection.sample_sets import find_set

    place = Workspace(work)
    folder = find_set(samples, place.samples)
    out = place.inspection / REVIEWS / folder.name
    if blind is not None:
        result = start_blind_test(folder, place.dataset, blind, out / "blind")
        if result is None:
            lines = [
                f"Look at {out / 'blind' / 'index.html'}, write photo or sample for each number into "
                f"{out / 'blind' / ANSWERS}, and run the same command again."
            ]
            emit(as_json, {"answers": str(out / "blind" / ANSWERS), "right": None}, lines)
            return
        document = {"right": result.right, "trials": result.trials, "low": result.low, "high": result.high}
        emit(as_json, document, [result.words])
        return
    review = start_review(folder, out)
    lines = [
        f"{review.accepted} accepted, {review.rejected} rejected of {len(review.answers)} samples",
        *(f"rejected: {one.file}: {one.reason}" for one in review.answers.values() if not one.accepted),
        f"Look at {out / 'index.html'}; to reject one, write no and a reason into {out / TABLE} and run this again.",
    ]
    emit(
        as_json,
        {"review": str(out / TABLE), "accepted": review.accepted, "rejected": review.rejected},
        lines,
    )
