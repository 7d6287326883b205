"""handful defects: put labelled or drawn defects into good photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from handful.cli import options
from handful.cli.output import JsonFlag, emit
from handful.cli.progress_bar import progress_bar
from handful.core.errors import UserError

if TYPE_CHECKING:
    from handful.defects.sources import Sources

EXAMPLE = "handful defects photos --out work --procedural scratch,pit --count 4"


def command(
    photos: Annotated[
        Path,
        typer.Argument(help="Labelled photos, or a data set made from them (2_dataset).", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The workspace.", show_default=False)],
    count: Annotated[int, typer.Option(help="Samples to have in the end; those already drawn are kept.")] = 100,
    first_seed: Annotated[int, typer.Option(help="Seed of the first sample; the others follow.")] = 0,
    procedural: Annotated[
        str | None,
        typer.Option(help="Draw defects instead of cutting them out (crude): scratch, pit, spot, smear, gap."),
    ] = None,
    kinds: Annotated[str | None, typer.Option(help="Comma-separated kinds of defect; default: all labelled.")] = None,
    least: Annotated[int | None, typer.Option(help="Defects in an image, at least; 1.")] = None,
    most: Annotated[int | None, typer.Option(help="Defects in an image, at most; 1.")] = None,
    smallest: Annotated[float | None, typer.Option(help="Size over the defect's own, at least; 0.8.")] = None,
    largest: Annotated[float | None, typer.Option(help="Size over the defect's own, at most; 1.25.")] = None,
    turn_deg: Annotated[float | None, typer.Option(help="Turned by up to so much, either way; 10.")] = None,
    mirror: Annotated[str | None, typer.Option(help="none, horizontal, vertical or both.")] = None,
    match: Annotated[
        bool | None, typer.Option("--match/--no-match", help="Only where the photo looks like its surroundings.")
    ] = None,
    within_px: Annotated[
        int | None, typer.Option(help="Only so near to where a defect of its kind was seen (fixed view).")
    ] = None,
    spots: Annotated[Path | None, typer.Option(help="Mask of allowed spots, of the photos' size.")] = None,
    blend: Annotated[str | None, typer.Option(help="poisson, mixed, feather or diffusion.")] = None,
    margin_px: Annotated[int | None, typer.Option(help="Around the mask, where defect passes into photo; 4.")] = None,
    ring_px: Annotated[int | None, typer.Option(help="Around that, what must look alike; 12.")] = None,
    light: Annotated[float | None, typer.Option(help="Largest ratio of brightness, spot to surroundings; 1.5.")] = None,
    good_share: Annotated[
        float | None, typer.Option(help="Of samples with a flawless piece put in the same way, as a control; 0.")
    ] = None,
    single: Annotated[bool | None, typer.Option("--single", help="Accept kinds with 1 labelled defect.")] = None,
    only: Annotated[
        Path | None, typer.Option(help="A text file: the photos that may enter, a name or pixel hash a line.")
    ] = None,
    fold: Annotated[int, typer.Option(help="Of the data set: what it holds out in this fold never enters.")] = 0,
    layout: options.Layout = None,
    bit_depth: options.BitDepth = None,
    samples: Annotated[Path | None, typer.Option(help="Folder for the set; default: its own in 4_samples.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Puts defects cut from labelled photos, or drawn ones, into good photos, each with its exact mask."""
    from handful.defects.make import make_defects
    from handful.defects.settings import placement_settings

    settings = placement_settings(
        options.given(
            kinds=options.words(kinds),
            least=least,
            most=most,
            smallest=smallest,
            largest=largest,
            turn_deg=turn_deg,
            mirror=mirror,
            match=match,
            within_px=within_px,
            spots=spots,
            blend=blend,
            margin_px=margin_px,
            ring_px=ring_px,
            light=light,
            good_share=good_share,
            single=single,
        )
    )
    drawn = options.words(procedural) or ()
    sources = _read_sources(photos, out, layout, bit_depth, fold, _read_list(only), bool(drawn))
    with progress_bar() as listener:
        made = make_defects(sources, out, settings, count, first_seed, drawn, samples, listener)
    manifest = made.manifest
    lines = [f"{manifest.count} samples with masks in {made.folder}: {', '.join(manifest.kinds)}"]
    if made.library is not None:
        lines.append(f"library: {len(made.library.defects)} defects in {made.library_folder}")
    lines += [f"note: {note}" for note in made.notes]
    lines += [f"placements refused: {times} x {why}" for why, times in made.refused.items()]
    document = {
        "samples": str(made.folder),
        **manifest.model_dump(mode="json", exclude={"training_pixels"}),
        "library": None if made.library is None else str(made.library_folder),
        "notes": made.notes,
        "refused": made.refused,
    }
    emit(as_json, document, lines)


def _read_sources(
    photos: Path,
    work: Path,
    layout: str | None,
    bit_depth: int | None,
    fold: int,
    only: Sequence[str],
    drawn: bool,
) -> Sources:
    """The photos that may enter, from a data set or from a folder; of a folder the labels go into 1_photos."""
    from handful.core.artifacts import DatasetManifest
    from handful.core.decode import keep_out_of_photos
    from handful.core.labels import GOOD, LabelledPhoto, LabelSheet
    from handful.core.workspace import Workspace
    from handful.defects.sources import sources_of_dataset, sources_of_photos
    from handful.photos.layouts import list_photos, read_labels, write_labels

    if (photos / DatasetManifest.file_name).exists():
        return sources_of_dataset(photos, fold, only)
    keep_out_of_photos(work, photos)
    sheet = read_labels(photos, layout)
    if sheet is None and not drawn:
        raise UserError(
            f"{photos} holds no labels.",
            "Defects are cut from labelled photos: at least 2 defects with a mask, a polygon or a box.",
            "Label some (docs/layouts.md shows how), or draw defects by rule: --procedural scratch,pit.",
        )
    if sheet is None:
        names = [path.relative_to(photos).as_posix() for path in list_photos(photos, layout)]
        good = tuple(LabelledPhoto(name=name, label=GOOD) for name in names)
        sheet = LabelSheet(layout="classes", folder=str(photos.resolve()), kinds=(), photos=good)
        return sources_of_photos(sheet, only, bit_depth, _held_out(work, sheet.folder, fold))
    folder = Workspace(work).photos
    if (folder / LabelSheet.file_name).exists() and LabelSheet.read(folder).folder != sheet.folder:
        raise UserError(
            f"{folder} has the labels of {LabelSheet.read(folder).folder}.",
            "A workspace is about 1 folder of photos.",
            "Give another workspace with --out.",
        )
    write_labels(sheet, folder)
    return sources_of_photos(sheet, only, bit_depth, _held_out(work, sheet.folder, fold))


def _held_out(work: Path, photos: str, fold: int) -> set[str]:
    """Names of the photos that the workspace's data set, where it was made of this folder, holds out."""
    from handful.core.artifacts import DatasetManifest
    from handful.core.workspace import Workspace

    folder = Workspace(work).dataset
    if not (folder / DatasetManifest.file_name).exists():
        return set()
    manifest = DatasetManifest.read(folder)
    return {image.photo for image in manifest.heldout(fold)} if manifest.photo_folder == photos else set()


def _read_list(only: Path | None) -> list[str]:
    if only is None:
        return []
    try:
        names = [line.strip() for line in only.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"The list {only} cannot be read: {error}.",
            "It is a text file with 1 name of a photo, or 8 or more digits of the hash of its pixels, a line.",
            "Check the path after --only.",
        ) from None
    if not names:
        raise UserError(
            f"The list {only} names 0 photos.", "It must name at least 1.", "Add names, or leave --only out."
        )
    return names
