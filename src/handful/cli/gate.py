"""handful gate: which samples are copies of photos?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful gate work/4_samples/RUN work/2_dataset"


def command(
    samples: Annotated[Path, typer.Argument(help="A folder of samples, ours or yours.", show_default=False)],
    photos: Annotated[
        Path, typer.Argument(help="A dataset folder, or a folder of the photos it learned from.", show_default=False)
    ],
    fold: Annotated[int, typer.Option(help="The fold whose photos were held out.")] = 0,
    count: Annotated[
        int | None, typer.Option(min=1, help="Judge the first so many samples; default: all.", show_default=False)
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for gate.json; default: 5_scores/RUN.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Gives every sample a verdict: new, near-copy, or copy of a photo, under shift, mirror, gain and JPEG."""
    from handful.core.workspace import Workspace
    from handful.scores.judge_copies import gate_samples

    folder = out
    if folder is None and samples.resolve().parent.name == "4_samples":
        folder = Workspace(samples.resolve().parent.parent).scores / samples.resolve().name
    report = gate_samples(samples, photos, folder, fold, count)
    caught = ", ".join(f"{kind} {share:.0%}" for kind, share in report.caught.items())
    lines = [
        f"{report.generator}: {'passes' if report.passes else 'FAILS'}. {report.copies} copies and "
        f"{report.near_copies} near-copies among {len(report.samples)} samples: {report.share:.1%} "
        f"[{report.low:.1%}, {report.high:.1%}]; at most {report.allowed_share:.1%} is allowed.",
        f"of {report.planted} planted copies of each kind it catches: {caught}",
        f"of {report.honest_photos} honest photos it calls {report.false_alarms:.1%} copies",
        *(f"note: {note}" for note in report.notes),
    ]
    found = [one for one in report.samples if one.verdict != "new"]
    if found:
        rows = [("sample", "verdict", "of", "likeness", "moved, px", "mirrored")]
        rows += [
            (one.file, one.verdict, one.photo, f"{one.likeness:.3f}", f"{one.right_px}, {one.down_px}",
             "yes" if one.mirrored else "no")
            for one in found
        ]  # fmt: skip
        lines += ["", *table_lines(rows)]
    emit(as_json, report.model_dump(mode="json"), lines)
