"""handful withdraw: list every sample that drew on a photo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli.output import JsonFlag, emit

EXAMPLE = "handful withdraw station_000.png --samples work"


def command(
    photo: Annotated[
        str,
        typer.Argument(
            help="Name as in the data set, or 8 digits or more of the hash of its pixels.", show_default=False
        ),
    ],
    samples: Annotated[
        Path, typer.Option(help="A workspace, or the folder of one set of samples.", show_default=False)
    ],
    as_json: JsonFlag = False,
) -> None:
    """Lists the samples that drew on a photo, for when the photo turns out to be wrong. Deletes nothing."""
    from handful.samples.withdraw import find_samples_of

    found = find_samples_of(photo, samples)
    lines = []
    for one in found:
        why = "" if one.has_passports else "; its generator gives no passports, so all of a set trained on it count"
        lines.append(f"{one.samples}: {len(one.files)} of {one.total} samples drew on {photo}{why}")
        lines += [f"  {one.samples / file}" for file in one.files]
    document = {
        "photo": photo,
        "sets": [
            {
                "samples": str(one.samples),
                "trained_on": one.photo_in_training,
                "passports": one.has_passports,
                "total": one.total,
                "files": list(one.files),
            }
            for one in found
        ],
    }
    emit(as_json, document, lines)
