"""handful inspect: do samples make the inspector better?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit
from handful.cli.progress_bar import progress_bar

EXAMPLE = (
    "handful inspect labelled/ --out proof/ --generators classic --canvas 32 --seeds 0 --count 24 --doses 1 "
    "--arms samples,path --set classifier.steps=3"
)


def command(
    photos: Annotated[Path, typer.Argument(help="Labelled photos. They are only read.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The workspace; run again, it goes on from what is there.")],
    samples: Annotated[
        str | None,
        typer.Option(help="Comma-separated sets: folders, or names in 4_samples; SET=LABEL for sets without labels."),
    ] = None,
    generators: Annotated[
        str | None, typer.Option(help="Comma-separated: trained label by label and drawn from, fold by fold.")
    ] = None,
    recipe: options.Recipe = None,
    inspectors: Annotated[str | None, typer.Option(help="Comma-separated; `handful inspectors` lists them.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated; default: 0 to 9, which a claim needs.")] = None,
    arms: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated, of real, classical, curve, more, samples, both, only, pretrain, path, trace, alone."
        ),
    ] = None,
    doses: Annotated[str | None, typer.Option(help="Samples for each real photo, comma-separated: 1,5,20.")] = None,
    count: Annotated[int | None, typer.Option(help="Samples drawn of each generator and fold.")] = None,
    use_photos: Annotated[
        int | None,
        typer.Option("--photos", help="Real training photos to use; the others are set aside for the learning curve."),
    ] = None,
    margin: Annotated[float | None, typer.Option(help="Differences of AUROC within this do not matter; 0.02.")] = None,
    false_rejects: Annotated[float | None, typer.Option(help="Share of good photos to reject at most; 0.05.")] = None,
    target: Annotated[float | None, typer.Option(help="Slip-through that has to be proved; 0.05.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Begin no cell after so many minutes; the same command goes on.")
    ] = None,
    budget: options.Budget = None,
    batch: options.Batch = None,
    canvas: options.Canvas = None,
    fit: options.Fit = None,
    filter: options.Filter = None,
    channels: options.Channels = None,
    heldout: options.Heldout = None,
    folds: options.Folds = None,
    split: options.Split = None,
    group_by: options.GroupBy = None,
    layout: options.Layout = None,
    bit_depth: options.BitDepth = None,
    device: options.Device = None,
    threads: options.Threads = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", help="A setting of an inspector or generator, NAME.SETTING=VALUE; may be repeated."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Trains inspectors with and without samples, at equal budget, and says whether samples help on real photos."""
    from handful.pipeline import inspect
    from handful.study.inspection import arrange_inspection
    from handful.study.recipes import read_recipe, with_flags

    flags = options.given(
        samples=options.words(samples), generators=options.words(generators), inspectors=options.words(inspectors),
        seeds=options.words(seeds), arms=options.words(arms), doses=options.words(doses), count=count,
        photos=use_photos, margin=margin, false_rejects=false_rejects, target=target, budget=budget, batch=batch,
        canvas=canvas, fit=fit, filter=filter, channels=channels, heldout=heldout, folds=folds, split=split,
        group_by=group_by, layout=layout, bit_depth=bit_depth, device=device, threads=threads,
    )  # fmt: skip
    values = read_recipe(recipe) if recipe else {}
    where = f"recipe {recipe}" if recipe else "handful inspect"
    settings = arrange_inspection(with_flags(values, flags), where, options.generator_assignments(assignments))
    with progress_bar() as listener:
        found = inspect(photos, out, settings, listener, None if minutes is None else 60 * minutes)
    document = {"page": str(found.path), **found.result.model_dump(mode="json")}
    lines = ["", found.result.sentence, *(f"note: {note}" for note in found.result.notes), f"Page: {found.path}"]
    emit(as_json, document, lines)
