"""handful compare: the main job, a folder of photos in, a judged set of new images out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit
from handful.cli.progress_bar import progress_bar

EXAMPLE = "handful compare photos/ --out judged/ --canvas 48 --budget 20steps --samples 20"


def command(
    photos: Annotated[Path, typer.Argument(help="The folder of photos. It is only read.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The workspace; run again, it goes on from what is there.")],
    recipe: options.Recipe = None,
    generators: Annotated[str | None, typer.Option(help="Comma-separated; `handful generators` lists them.")] = None,
    budget: options.Budget = None,
    canvas: options.Canvas = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated, for example 0,1,2.")] = None,
    samples: Annotated[int | None, typer.Option(help="Images drawn from each run.")] = None,
    protocol: Annotated[
        str | None, typer.Option(help="Comma-separated: heldout-v1, training-v1, single-v1; default: by the photos.")
    ] = None,
    features: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: networks (`handful weights` lists them) and pixels; default: all that are here."
        ),
    ] = None,
    jobs: Annotated[int | None, typer.Option(help="Runs at a time, each on its own share of the cores.")] = None,
    fit: options.Fit = None,
    filter: options.Filter = None,
    channels: options.Channels = None,
    heldout: options.Heldout = None,
    folds: options.Folds = None,
    split: options.Split = None,
    group_by: options.GroupBy = None,
    split_seed: Annotated[int | None, typer.Option(help="Decides which groups are held out.")] = None,
    batch: options.Batch = None,
    augment: options.Augment = None,
    augment_photos: options.AugmentPhotos = None,
    device: options.Device = None,
    precision: options.Precision = None,
    threads: options.Threads = None,
    deterministic: options.Deterministic = None,
    untuned: options.Untuned = False,
    assignments: options.GeneratorAssignments = None,
    bit_depth: options.BitDepth = None,
    layout: options.Layout = None,
    as_json: JsonFlag = False,
) -> None:
    """Does the main job: audits, splits, trains, draws, scores and reports. Finished parts are kept."""
    from handful.pipeline import compare, compare_parts
    from handful.study.parts import arrange_study, is_study
    from handful.study.plan import arrange_settings
    from handful.study.recipes import read_recipe, with_flags

    flags = options.given(
        generators=options.words(generators), budget=budget, canvas=canvas, seeds=options.words(seeds),
        samples=samples, protocol=options.words(protocol), features=options.words(features), jobs=jobs, fit=fit,
        filter=filter, channels=channels, heldout=heldout, folds=folds, split=split, group_by=group_by,
        split_seed=split_seed, batch=batch, augment=options.words(augment),
        augment_photos=options.words(augment_photos), device=device, precision=precision,
        deterministic=deterministic, threads=threads, tuned=False if untuned else None, bit_depth=bit_depth,
        layout=layout,
    )  # fmt: skip
    values = read_recipe(recipe) if recipe else {}
    where = f"recipe {recipe}" if recipe else "handful compare"
    own = options.generator_assignments(assignments)
    if is_study(values):
        study = arrange_study(values, flags, where, own)
        with progress_bar() as listener:
            page, results = compare_parts(photos, out, study, listener)
        verdicts = {name: result.verdict for name, result in zip(study.parts, results, strict=True)}
        lines = ["", *(f"{name}: {verdict}" for name, verdict in verdicts.items()), f"Page: {page}"]
        emit(as_json, {"page": str(page), "verdicts": verdicts}, lines)
        return
    settings = arrange_settings(with_flags(values, flags), where, own)
    with progress_bar() as listener:
        result = compare(photos, out, settings, listener)
    lines = ["", result.verdict, f"Report: {result.path}"]
    emit(as_json, {"report": str(result.path), "verdict": result.verdict}, lines)
