"""Options that several commands share. A flag left out leaves the choice to the recipe, then to the default."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from handful.core.errors import UserError

# data set
Canvas = Annotated[str | None, typer.Option(help="'128' (long side, aspect kept) or '160x120'.")]
Fit = Annotated[str | None, typer.Option(help="keep, crop or tile.")]
Filter = Annotated[str | None, typer.Option(help="Resize filter: box, bilinear, bicubic or lanczos.")]
Channels = Annotated[str | None, typer.Option(help="auto, grey or rgb.")]
BitDepth = Annotated[int | None, typer.Option(help="The camera's bit depth (8 to 16), where files hide it.")]
Heldout = Annotated[float | None, typer.Option(help="Share of the photos that no generator sees.")]
Folds = Annotated[int | None, typer.Option(help="Number of held-out folds.")]
Split = Annotated[str | None, typer.Option(help="groups; blocks for conveyor sequences; layout: its test part.")]
GroupBy = Annotated[str | None, typer.Option(help="Pattern over file names: equal matches stay together.")]
Layout = Annotated[
    str | None, typer.Option(help="Of the labels: classes, masks, mvtec, coco, yolo, voc, labelme, or none.")
]
# training
Budget = Annotated[str | None, typer.Option(help="'3min', '500steps', '2000images' or '300epochs'.")]
Batch = Annotated[int | None, typer.Option(help="Images in a training batch.")]
Augment = Annotated[str | None, typer.Option(help="Of classic, flip, color, translation, cutout, relight.")]
AugmentPhotos = Annotated[str | None, typer.Option(help="The same operations, on photos alone.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps.")]
Precision = Annotated[str | None, typer.Option(help="auto, fp32 or bf16.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]
Deterministic = Annotated[
    bool | None,
    typer.Option("--deterministic/--no-deterministic", help="Bit-identical repeats, at some cost in speed."),
]
Untuned = Annotated[bool, typer.Option("--untuned", help="Switch every speed-up off.")]
Tensorboard = Annotated[bool, typer.Option("--tensorboard", help="Write losses for TensorBoard too.")]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="A generator's setting, NAME=VALUE; may be repeated.")
]
GeneratorAssignments = Annotated[
    list[str] | None, typer.Option("--set", help="A generator's setting, GENERATOR.NAME=VALUE; may be repeated.")
]
# what to compare
Recipe = Annotated[
    str | None,
    typer.Option(help="A recipe by name (demo, fixed-view, ...) or TOML file; flags go before it."),
]


def given(**flags: Any) -> dict[str, Any]:
    """The flags that were typed: those that are not None."""
    return {name: value for name, value in flags.items() if value is not None}


def words(text: str | None) -> list[str] | None:
    """'a, b' -> ['a', 'b']; None stays None."""
    return None if text is None else [word.strip() for word in text.split(",") if word.strip()]


def assignments(texts: list[str] | None) -> dict[str, str]:
    """['noise=uniform'] -> {'noise': 'uniform'}.

    Raises:
        UserError: a text without '='.
    """
    values = {}
    for text in texts or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise UserError(
                f"--set {text} has no '='.",
                "A generator's setting is written NAME=VALUE.",
                "`handful generators NAME` lists the settings.",
            )
        values[name.strip()] = value.strip()
    return values


def generator_assignments(texts: list[str] | None) -> dict[str, dict[str, str]]:
    """['dcgan.width=64', 'my/own.py.depth=3'] -> {'dcgan': {'width': '64'}, 'my/own.py': {'depth': '3'}}.

    Raises:
        UserError: a text without '=', or without a generator before the setting.
    """
    values: dict[str, dict[str, str]] = {}
    for place, value in assignments(texts).items():
        generator, _, name = place.rpartition(".")
        if not generator or not name:
            raise UserError(
                f"--set {place}={value} does not say whose setting it is.",
                "In a comparison a generator's setting is written GENERATOR.NAME=VALUE.",
                f"Write --set GENERATOR.{name or 'NAME'}={value} with one of the compared generators.",
            )
        values.setdefault(generator, {})[name] = value
    return values
