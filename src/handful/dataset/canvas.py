"""One canvas for all photos: its size, and how a photo is brought to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from PIL import Image

from handful.core.artifacts import Photo, Size
from handful.core.errors import UserError
from handful.core.images import Filter, Floats, resize
from handful.core.labels import IndexMap
from handful.dataset.settings import DatasetSettings, Fit

SMALLEST_SIDE_PX = 8
LARGEST_ENLARGEMENT = 4


def settle_canvas(photos: Sequence[Photo], settings: DatasetSettings) -> tuple[Size, Fit]:
    """The canvas and the fit that `settings` mean for these photos (at least one).

    Raises:
        UserError: mixed sizes without --fit crop, or a canvas that the photos cannot fill.
    """
    sizes = Counter(photo.size for photo in photos)
    width, height = settings.canvas_sides()
    fit: Fit = settings.fit or ("keep" if height is None else "crop")
    if len(sizes) > 1 and settings.fit != "crop":
        counts = ", ".join(f"{size} ({count} photo{'s' if count > 1 else ''})" for size, count in sizes.most_common())
        raise UserError(
            f"The photos have {len(sizes)} sizes: {counts}.",
            "All photos of a data set have one size, unless each is cropped to the canvas.",
            "Put the sizes into folders of their own, or give --fit crop to take the centre of each.",
        )
    photo_size = sizes.most_common(1)[0][0]
    if fit == "keep":
        if height is not None:
            raise UserError(
                f"The canvas is {width}x{height} with fit keep.",
                f"To keep the photos' aspect ({photo_size}) the canvas is one number: its long side.",
                f"Give --canvas {max(width, height)}, or --fit crop.",
            )
        canvas = _long_side(photo_size, width)
    else:
        canvas = Size(width=width, height=width if height is None else height)
    _check_small(canvas, photo_size, fit)
    for size in sizes:
        _check_large(canvas, size, fit)
    return canvas, fit


def _long_side(photo: Size, side: int) -> Size:
    longest = max(photo.width, photo.height)
    return Size(width=round(photo.width * side / longest), height=round(photo.height * side / longest))


def _check_small(canvas: Size, photo: Size, fit: Fit) -> None:
    if min(canvas.width, canvas.height) >= SMALLEST_SIDE_PX:
        return
    advice = f"Give --canvas {SMALLEST_SIDE_PX} or more."
    if fit == "keep":
        least = -(-SMALLEST_SIDE_PX * max(photo.width, photo.height) // min(photo.width, photo.height))
        advice = f"For photos of {photo} give --canvas {least} or more, or --fit crop."
    raise UserError(f"The canvas is {canvas} px.", f"Each side has at least {SMALLEST_SIDE_PX} px.", advice)


def _check_large(canvas: Size, photo: Size, fit: Fit) -> None:
    if fit == "tile" and (canvas.width > photo.width or canvas.height > photo.height):
        raise UserError(
            f"The tiles are {canvas} px, and the photos {photo}.",
            "A tile is cut at full resolution, so it is at most as large as the photo.",
            f"Give --canvas {min(photo.width, photo.height)} or less, or another --fit.",
        )
    factor = max(canvas.width / photo.width, canvas.height / photo.height)
    if factor > LARGEST_ENLARGEMENT:
        raise UserError(
            f"The canvas of {canvas} px is {factor:.1f} times as large as a photo of {photo}.",
            f"Photos are enlarged {LARGEST_ENLARGEMENT} times at most: a larger canvas holds nothing more.",
            "Give a smaller --canvas, best no larger than the photos.",
        )


def fit_photo(image: Floats, canvas: Size, fit: Fit, kind: Filter) -> Iterator[tuple[str, Floats]]:
    """Brings a photo (c, h, w) to the canvas.

    Yields:
        (suffix of the file name, image (c, canvas.height, canvas.width)): one, or for tile one a piece. The
        pieces cover the whole photo in evenly spread rows and columns and overlap where they must.
    """
    for suffix, rows, columns in _windows(image.shape[1], image.shape[2], canvas, fit):
        yield suffix, resize(np.ascontiguousarray(image[:, rows, columns]), canvas.width, canvas.height, kind)


def fit_index_map(found: IndexMap, canvas: Size, fit: Fit) -> Iterator[tuple[str, IndexMap]]:
    """Brings an index map (h, w) to the canvas, piece by piece as `fit_photo` does its photo."""
    for suffix, rows, columns in _windows(found.shape[0], found.shape[1], canvas, fit):
        yield suffix, resize_index_map(found[rows, columns], canvas.width, canvas.height)


def resize_index_map(found: IndexMap, width: int, height: int) -> IndexMap:
    """An index map (h, w) at another size, by area.

    A pixel is defective where defects cover at least half of it, and of the kind that covers most of it. A kind that
    would vanish so (a thin scratch) keeps the one pixel that it covers most.
    """
    if found.shape == (height, width):
        return found.copy()
    numbers = [int(number) for number in np.unique(found) if number]
    resized: IndexMap = np.zeros((height, width), np.uint8)
    if not numbers:
        return resized
    shares = np.stack(
        [
            np.asarray(
                Image.fromarray((found == number).astype(np.float32)).resize((width, height), Image.Resampling.BOX)
            )
            for number in numbers
        ]
    )
    defective = shares.sum(axis=0) >= 0.5
    resized[defective] = np.array(numbers, np.uint8)[shares.argmax(axis=0)][defective]
    for number, share in zip(numbers, shares, strict=True):
        if not (resized == number).any():
            resized[np.unravel_index(share.argmax(), share.shape)] = number
    return resized


def _windows(height: int, width: int, canvas: Size, fit: Fit) -> Iterator[tuple[str, slice, slice]]:
    """Which rows and columns of a photo come onto the canvas, and the suffix of that image's name."""
    if fit == "keep":
        yield "", slice(0, height), slice(0, width)
    elif fit == "crop":
        cut_width = min(width, max(1, round(height * canvas.width / canvas.height)))
        cut_height = min(height, max(1, round(width * canvas.height / canvas.width)))
        top, left = (height - cut_height) // 2, (width - cut_width) // 2
        yield "", slice(top, top + cut_height), slice(left, left + cut_width)
    else:
        for row, top in enumerate(_spread(height, canvas.height)):
            for column, left in enumerate(_spread(width, canvas.width)):
                yield f"-r{row}c{column}", slice(top, top + canvas.height), slice(left, left + canvas.width)


def _spread(length: int, piece: int) -> list[int]:
    """Starts of the fewest pieces that cover `length`, evenly spread."""
    count = -(-length // piece)
    return [0] if count == 1 else [round(index * (length - piece) / (count - 1)) for index in range(count)]
