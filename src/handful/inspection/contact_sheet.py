"""Contact sheets: numbered pictures, some to a PNG file, and one page that shows them all."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from handful.core.images import Floats, integers_to_unit, read_png, resize, unit_to_integers
from handful.core.workspace import write_atomically
from handful.pages.html import render

TEMPLATES = Path(__file__).parent / "templates"
A_SHEET = 40
_COLUMNS = 8
_SIDE_PX = 160
_CAPTION_PX = 14
_GAP_PX = 6


def write_sheets(folder: Path, files: Sequence[str], bit_depth: int, out: Path, title: str, table: str) -> None:
    """Writes sheet-01.png, ... and index.html.

    Args:
        folder: of the images.
        files: in the order of their numbers, which begin at 1.
        bit_depth: of the images.
        out: where the sheets go.
        title: of the page.
        table: file to fill in, named on the page.
    """
    sheets = []
    for start in range(0, len(files), A_SHEET):
        own = [integers_to_unit(read_png(folder / file), bit_depth) for file in files[start : start + A_SHEET]]
        name = f"sheet-{start // A_SHEET + 1:02d}.png"
        write_atomically(out / name, _sheet(own, start + 1))
        sheets.append(name)
    page = render(
        TEMPLATES, "review.html.j2", {}, title=title, sheets=sheets, table=table, count=len(files), a_sheet=A_SHEET
    )
    write_atomically(out / "index.html", page.encode())


def _sheet(images: Sequence[Floats], first: int) -> bytes:
    height, width = images[0].shape[1:]
    scale = min(_SIDE_PX / max(height, width), 4.0)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    step = (size[0] + _GAP_PX, size[1] + _CAPTION_PX + _GAP_PX)
    rows = -(-len(images) // _COLUMNS)
    sheet = Image.new("RGB", (_COLUMNS * step[0] + _GAP_PX, rows * step[1] + _GAP_PX), "white")
    draw = ImageDraw.Draw(sheet)
    for place, image in enumerate(images):
        left, top = _GAP_PX + place % _COLUMNS * step[0], _GAP_PX + place // _COLUMNS * step[1]
        # small images keep their pixels visible
        if scale > 1:
            picture = Image.fromarray(_eight_bit(image)).resize(size, Image.Resampling.NEAREST)
        else:
            picture = Image.fromarray(_eight_bit(resize(image, *size, "lanczos")))
        sheet.paste(picture, (left, top + _CAPTION_PX))
        draw.text((left, top), str(first + place), fill="#5f696d")
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _eight_bit(image: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.ascontiguousarray(unit_to_integers(image, 8).astype(np.uint8))
