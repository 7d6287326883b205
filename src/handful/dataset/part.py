"""A part of a data set as a data set of its own: the training photos of one label, say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handful.core.artifacts import DatasetImage, DatasetManifest
from handful.core.config import fingerprint
from handful.core.errors import UserError
from handful.core.workspace import write_atomically


def write_part(dataset: Path, images: Sequence[DatasetImage], out: Path) -> Path:
    """Writes some images of a data set into `out`, with a dataset.json of their own; nothing is held out.

    The same part is kept; images whose files are there already are not written again.

    Args:
        dataset: folder of the whole.
        images: of it, at least one.
        out: folder of the part.

    Raises:
        UserError: another data set lies in `out`, or a file of the whole is missing.
    """
    whole = DatasetManifest.read(dataset)
    part = whole.model_copy(
        update={
            "split": f"{len(images)} of {len(whole.images)} images, none held out",
            "folds": 1,
            "images": tuple(image.model_copy(update={"fold": None}) for image in images),
            "left_out": (),
            "warnings": (),
            "fingerprint": fingerprint([whole.fingerprint, [image.file for image in images]]),
        }
    )
    if (out / part.file_name).exists():
        if DatasetManifest.read(out).fingerprint != part.fingerprint:
            raise UserError(
                f"{out} holds another part of a data set.",
                f"It must be new, or hold these {len(images)} images from before.",
                f"Move {out} away, or work in another folder with --out.",
            )
        return out
    for image in images:
        for file in filter(None, (image.file, image.mask)):
            try:
                write_atomically(out / file, (dataset / file).read_bytes())
            except FileNotFoundError:
                raise UserError(
                    f"{dataset / file} is missing.",
                    f"The data set has {len(whole.images)} images, each with its file.",
                    "Run `handful dataset` again: it makes lost images again.",
                ) from None
    part.write(out)
    return out
