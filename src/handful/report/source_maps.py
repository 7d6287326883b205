"""Which photos a sample was made from, as a coloured map: read from the passports that lie beside samples."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from handful.core.artifacts import PASSPORTS, DatasetManifest, PassportLegend, SamplePassport
from handful.core.errors import UserError
from handful.pages.pictures import Picture
from handful.pages.words import number, percent, plural

SHOWN_MAPS = 3
COLOURS = (
    (0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167),
    (86, 180, 233), (213, 94, 0), (240, 228, 66), (100, 60, 150),
)  # fmt: skip
"""Told apart by colour-blind eyes too (Okabe and Ito 2008, and one more)."""
_OTHERS = (190, 190, 190)

Map = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class SourceMap:
    """One sample beside its map."""

    file: str
    picture: Picture
    """The map, as large as the sample is shown."""
    words: str
    """The figures of the passport."""


@dataclass(frozen=True)
class Source:
    """A line of the legend."""

    colour: str
    """As CSS writes it."""
    name: str
    """Of the photo, or of all that have no colour of their own."""
    share: str
    """Of the maps shown."""


def source_maps(
    folder: Path,
    passports: Mapping[str, SamplePassport],
    pictures: Mapping[Path, Picture],
    dataset: DatasetManifest | None,
) -> tuple[list[SourceMap], list[Source]]:
    """The maps of a set's first samples, and one legend for them; empty where they have no passports.

    Args:
        folder: of the set.
        passports: file name of a sample -> its passport, in the order in which samples are shown.
        pictures: encoded samples; those that are not shown get no map.
        dataset: names the photos; None: they go by their numbers.
    """
    shown = [file for file in passports if folder / file in pictures][:SHOWN_MAPS]
    found = {file: sources for file in shown if (sources := read_sources(folder / passports[file].file)) is not None}
    if not found:
        return [], []
    areas: dict[int, float] = {}
    for sources in found.values():
        for photo, count in zip(*np.unique(sources, return_counts=True), strict=True):
            areas[int(photo)] = areas.get(int(photo), 0.0) + int(count) / sources.size
    coloured = {
        photo: colour
        for (photo, _), colour in zip(sorted(areas.items(), key=lambda one: -one[1]), COLOURS, strict=False)
    }
    names = _photo_names(folder, dataset)
    maps = [
        SourceMap(file, _paint(sources, coloured, pictures[folder / file]), _words(passports[file], names))
        for file, sources in found.items()
    ]
    legend = [
        Source(_css(colour), _name(photo, names), percent(areas[photo] / len(found)))
        for photo, colour in coloured.items()
    ]
    if left := len(areas) - len(coloured):
        share = sum(area for photo, area in areas.items() if photo not in coloured) / len(found)
        legend.append(Source(_css(_OTHERS), f"{plural(left, 'other photo')}", percent(share)))
    return maps, legend


def read_sources(path: Path) -> Map | None:
    """The photo that gave most of each cell of a sample, (rows, columns); None where the file is not there or says not
    how large its map is."""
    try:
        with Image.open(path) as opened:
            rows, columns = json.loads(str(opened.info["handful passport"]))["levels"][0]
            return np.asarray(opened)[:rows, :columns]
    except (OSError, KeyError, ValueError, IndexError, SyntaxError):
        return None


def _paint(sources: Map, coloured: Mapping[int, tuple[int, int, int]], sample: Picture) -> Picture:
    palette = np.array([*coloured.values(), _OTHERS], np.uint8)
    place = np.full(int(sources.max()) + 1, len(coloured))
    for index, photo in enumerate(coloured):
        if photo < len(place):
            place[photo] = index
    painted = Image.fromarray(place[sources].astype(np.uint8), "P")
    painted.putpalette(palette.tobytes())
    out = io.BytesIO()
    painted.resize((sample.width, sample.height), Image.Resampling.NEAREST).save(out, "PNG", optimize=True)
    address = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    return Picture(address, sample.width, sample.height)


def _photo_names(folder: Path, dataset: DatasetManifest | None) -> Sequence[str]:
    """Names of photo 0, 1, ... of the passports; numbers where nobody names them."""
    try:
        photos = PassportLegend.read(folder / PASSPORTS).photos
    except UserError:
        return ()
    known = {image.pixels_sha256: image.photo for image in dataset.images} if dataset is not None else {}
    return [known.get(pixels, f"photo {place}") for place, pixels in enumerate(photos)]


def _name(photo: int, names: Sequence[str]) -> str:
    return names[photo] if photo < len(names) else f"photo {photo}"


def _words(passport: SamplePassport, names: Sequence[str]) -> str:
    return (
        f"drew on {plural(len(passport.drew_on), 'photo')}; most used {_name(passport.most_used_photo, names)} "
        f"({percent(passport.most_used_share)}); largest region from one photo {percent(passport.largest_region)}; "
        f"novelty {number(passport.novelty)}"
    )


def _css(colour: Sequence[int]) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)
