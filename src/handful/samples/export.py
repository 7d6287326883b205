"""Writes samples, with or without the photos that they join, as a labelled set that other tools read as it is."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from handful.core.artifacts import (
    Artifact,
    DatasetImage,
    DatasetManifest,
    RunManifest,
    SampleManifest,
    SampleRow,
    read_sample_rows,
)
from handful.core.config import Settings
from handful.core.errors import UserError, unknown_name
from handful.core.images import pixels_sha256, read_png
from handful.core.labels import GOOD, MOST_KINDS, IndexMap
from handful.core.provenance import SourceType
from handful.core.workspace import Workspace, explain_full_disk
from handful.samples.export_formats import DEFECTS_FOLDER, Format, Picture, check_pictures, write_pictures

_ORIGIN = {"pixels_sha256", "seed", "run_id", "photos_fingerprint", "weights_sha256"}
"""What an exported sample keeps of its row."""


class ExportedFile(Settings):
    """One image of an exported set, and where it comes from."""

    file: str
    """Below the exported folder."""
    split: Literal["train", "test"]
    label: str
    generated: bool
    """False: a photo."""
    pixels_sha256: str
    photo: str = ""
    """Of a photo: its name in the data set."""
    seed: int | None = None
    """Of a sample, as all below."""
    run_id: str = ""
    photos_fingerprint: str = ""
    weights_sha256: str = ""


class ExportManifest(Artifact):
    """What an exported folder holds: which files are photos, which were generated, by what, from what."""

    file_name: ClassVar[str] = "handful_export.json"
    stage: ClassVar[str] = "export"

    format: Format
    kinds: tuple[str, ...]
    run_id: str = ""
    generator: str = ""
    source_type: SourceType | None = None
    dataset_fingerprint: str = ""
    fold: int | None = None
    """The fold whose held-out photos are the test part; None without photos."""
    files: tuple[ExportedFile, ...]
    left_out: int = 0
    """Photos without a label."""


def export_set(
    source: Path, out: Path, format: Format, with_photos: bool = False, fold: int | None = None, label: str = ""
) -> ExportManifest:
    """Writes a set of samples or a data set into a new folder, in a layout that other tools read.

    Samples are training images, always. Photos held out of the fold are the test part, and all others training images.
    Files are copied byte for byte, so the marks in samples stay.

    Args:
        source: folder of a set of samples, or of a data set.
        out: a new or empty folder.
        format: mvtec, coco, yolo, voc, classes or masks.
        with_photos: of samples: also the photos of the data set that their run learned from.
        fold: the fold whose held-out photos are the test part; None: the run's own, of a data set 0.
        label: of samples that carry none: 'good' or a kind. '': that of the photos trained on, where they have one.

    Raises:
        UserError: no samples and no data set, an unknown format, a folder that is not empty, images without a label, a
            defect without a mask where the format holds outlines, a kind that no folder can be named for, a sample that
            equals a test photo, or samples of a run that learned from test photos.
    """
    if format not in get_args(Format):
        raise unknown_name("format", format, get_args(Format), "handful export --help")
    _check_new(out)
    if format == "mvtec":
        _check_new(out.with_name(out.name + DEFECTS_FOLDER))
    is_set = (source / SampleManifest.file_name).is_file()
    if not is_set and not (source / DatasetManifest.file_name).is_file():
        raise UserError(
            f"{source} is neither a set of samples nor a data set.",
            f"A set of samples has {SampleManifest.file_name}, a data set {DatasetManifest.file_name}.",
            "Give a folder such as work/4_samples/RUN or work/2_dataset.",
        )
    drawn = SampleManifest.read(source) if is_set else None
    dataset_folder = source if drawn is None else _find_dataset(source, drawn)
    dataset = None if dataset_folder is None else DatasetManifest.read(dataset_folder)
    if with_photos and dataset is None:
        raise UserError(
            f"The data set of the samples in {source} is gone.",
            "With photos, the data set is needed that the run learned from, in the run's folder or in the workspace.",
            "Export without --with-photos, or put the data set back.",
        )
    pictures: list[Picture] = []
    origins: list[dict[str, Any]] = []
    rows = [] if drawn is None else list(read_sample_rows(source).values())
    labels = {label, *(row.label for row in rows), *(drawn.kinds if drawn else ()), *(dataset.kinds if dataset else ())}
    kinds = tuple(sorted(labels - {"", GOOD}))
    left_out = 0
    chosen: int | None = None
    if dataset is not None and dataset_folder is not None and (with_photos or drawn is None):
        chosen = fold if fold is not None else _run_fold(source, drawn)
        if drawn is not None:
            _check_samples(drawn, rows, dataset, chosen)
        test = {image.file for image in dataset.heldout(chosen)}
        for image in dataset.images:
            if not image.label:
                left_out += 1
                continue
            pictures.append(_photo(dataset_folder, image, dataset, kinds, "test" if image.file in test else "train"))
            origins.append({"photo": image.photo, "pixels_sha256": image.pixels_sha256})
    if drawn is not None:
        assumed = label or _common_label(drawn, dataset)
        for row in rows:
            pictures.append(_sample(source, row, drawn, kinds, assumed))
            origins.append(row.model_dump(include=_ORIGIN))
    if not pictures:
        raise UserError(
            f"None of the {left_out} images of {source} has a label.",
            "An exported set holds labelled images.",
            "Build the data set from labelled photos; `handful photos` says what labels it finds.",
        )
    check_pictures(pictures, kinds, format)
    with _staging(out) as staged:
        names = write_pictures(staged, pictures, kinds, format)
        files = [
            ExportedFile(file=name, split=one.split, label=one.label, generated=one.generated, **origin)
            for name, one, origin in zip(names, pictures, origins, strict=True)
        ]
        manifest = ExportManifest(
            format=format,
            kinds=kinds,
            run_id=drawn.run_id if drawn else "",
            generator=Path(drawn.generator).stem if drawn else "",
            source_type=drawn.source_type if drawn else None,
            dataset_fingerprint=dataset.fingerprint if dataset is not None and chosen is not None else "",
            fold=chosen,
            files=tuple(files),
            left_out=left_out,
        )
        manifest.write(staged)
    return manifest


@contextlib.contextmanager
def _staging(out: Path) -> Iterator[Path]:
    """A folder that becomes `out`, and one beside it for training defects, once all is written; else nothing stays."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-")
    except OSError as error:
        raise UserError(
            f"{out.parent} cannot be written: {error.strerror}.",
            "The exported set needs a folder of its own.",
            "Give another folder with --out.",
        ) from None
    with staging as name:
        staged = Path(name) / out.name
        staged.mkdir()
        with explain_full_disk(out):
            yield staged
        for folder in sorted(Path(name).iterdir(), reverse=True):  # the one with the manifest last
            target = out.with_name(folder.name)
            if target.exists():
                target.rmdir()  # empty, as was checked
            folder.rename(target)


def _check_new(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        seen = f"holds {len(list(out.iterdir()))} thing(s)" if out.is_dir() else "is a file"
        raise UserError(
            f"{out} {seen}.",
            "An export goes into a new or empty folder; nothing is ever overwritten.",
            "Give another folder with --out, or move that one away.",
        )


def _find_dataset(source: Path, drawn: SampleManifest) -> Path | None:
    """The data set of a set of samples: as its run says, else the workspace's."""
    work = Workspace(source.resolve().parent.parent)
    places = [work.dataset]
    run = work.train / drawn.run_id / RunManifest.file_name
    if run.is_file():
        places.insert(0, Path(RunManifest.read(run.parent).dataset_folder))
    return next((place for place in places if (place / DatasetManifest.file_name).is_file()), None)


def _run_fold(source: Path, drawn: SampleManifest | None) -> int:
    if drawn is None:
        return 0
    run = Workspace(source.resolve().parent.parent).train / drawn.run_id
    return RunManifest.read(run).fold if (run / RunManifest.file_name).is_file() else 0


def _check_samples(drawn: SampleManifest, rows: Sequence[SampleRow], dataset: DatasetManifest, fold: int) -> None:
    """Refuses samples that would carry test photos into training."""
    test = {image.pixels_sha256: image.photo for image in dataset.heldout(fold)}
    seen = [photo for pixels, photo in test.items() if pixels in drawn.training_pixels]
    if seen:
        raise UserError(
            f"The run {drawn.run_id} learned from {len(seen)} of the {len(test)} test photos of fold {fold}, for "
            f"example {seen[0]}.",
            "Samples may know 0 of the photos that test what is trained on them.",
            "Give the run's own fold, or train a run on this fold with `handful train --fold`.",
        )
    equal = [row for row in rows if row.pixels_sha256 in test]
    if equal:
        raise UserError(
            f"{len(equal)} of the samples equal a test photo, for example {equal[0].file} and "
            f"{test[equal[0].pixels_sha256]}.",
            "No test photo may be among the training images.",
            "Export without --with-photos, or leave these samples out: `handful gate` names copies.",
        )


def _common_label(drawn: SampleManifest, dataset: DatasetManifest | None) -> str:
    """The label of all photos that the run learned from; '' where they differ or it is not known."""
    known = set(drawn.training_pixels)
    labels = {image.label for image in dataset.images if image.pixels_sha256 in known} if dataset else set()
    return labels.pop() if len(labels) == 1 else ""


def _photo(
    folder: Path, image: DatasetImage, dataset: DatasetManifest, kinds: Sequence[str], split: Literal["train", "test"]
) -> Picture:
    return Picture(
        name=Path(image.file).stem,
        file=_intact(folder / image.file, image.pixels_sha256),
        split=split,
        label=image.label,
        mask=_mask(folder, image.mask, dataset.kinds, kinds),
        size=dataset.canvas,
        generated=False,
    )


def _sample(folder: Path, row: SampleRow, drawn: SampleManifest, kinds: Sequence[str], assumed: str) -> Picture:
    label = row.label or assumed
    if not label:
        raise UserError(
            f"The sample {row.file} in {folder} has no label, and the photos of its run have no common one.",
            "Every exported image is good or shows a kind of defect.",
            "Say what the samples show with --label good, or --label and a kind.",
        )
    return Picture(
        name=f"sample_{Path(row.file).stem}",
        file=_intact(folder / row.file, row.pixels_sha256),
        split="train",
        label=label,
        mask=_mask(folder, row.mask, drawn.kinds, kinds),
        size=drawn.canvas,
        generated=True,
    )


def _intact(file: Path, wanted: str) -> Path:
    if pixels_sha256(read_png(file)) != wanted:
        raise UserError(
            f"{file} has changed since it was made.",
            f"Its pixels must have the sha256 {wanted[:12]}... that its manifest states.",
            "Run the stage that made it again.",
        )
    return file


def _mask(folder: Path, mask: str | None, own: Sequence[str], kinds: Sequence[str]) -> IndexMap | None:
    """An index map with the numbers of `kinds` instead of its own."""
    if mask is None:
        return None
    numbers = [0, *(kinds.index(kind) + 1 for kind in own)]
    table = np.zeros(MOST_KINDS + 1, np.uint8)
    table[: len(numbers)] = numbers
    found: IndexMap = table[read_png(folder / mask)]
    return found
