"""handful plan: what can these photos decide?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit, table_lines

EXAMPLE = "handful plan photos/ --seeds 0,1 --folds 5"


def command(
    photos: Annotated[Path, typer.Argument(help="The folder of photos. It is only read.", show_default=False)],
    recipe: options.Recipe = None,
    generators: Annotated[str | None, typer.Option(help="Comma-separated; `handful generators` lists them.")] = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated, for example 0,1,2.")] = None,
    heldout: options.Heldout = None,
    folds: options.Folds = None,
    split: options.Split = None,
    group_by: options.GroupBy = None,
    bit_depth: options.BitDepth = None,
    layout: options.Layout = None,
    as_json: JsonFlag = False,
) -> None:
    """Says before any training what a comparison on these photos can decide, and what it cannot."""
    from handful.photos.audit import audit_photos
    from handful.study.plan import arrange_settings
    from handful.study.power import page_lines, plan_power, score_rows, settle_generators, settle_protocols
    from handful.study.recipes import read_recipe, with_flags

    flags = options.given(
        generators=options.words(generators), seeds=options.words(seeds), heldout=heldout, folds=folds, split=split,
        group_by=group_by, bit_depth=bit_depth, layout=layout,
    )  # fmt: skip
    values = read_recipe(recipe) if recipe else {}
    settings = arrange_settings(with_flags(values, flags), f"recipe {recipe}" if recipe else "handful plan")
    audit = audit_photos(photos, bit_depth=settings.bit_depth, layout=settings.layout)
    settings, left_out = settle_generators(settings, audit)
    settings, protocols = settle_protocols(settings, audit)
    page = plan_power(audit, settings.generators, settings.seeds, settings.dataset, protocols)
    lines = [*left_out, *page_lines(page), "", *table_lines(score_rows(page))]
    emit(as_json, page.model_dump(mode="json"), lines)
