"""The report shows which photo every place of a sample came from, from the passports alone."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from workspace_fixture import HEIGHT, HOSTILE, WIDTH, write_photos, write_run

from handful.core.artifacts import SAMPLE_ROWS, DatasetManifest, PassportLegend, SamplePassport, read_sample_rows
from handful.core.images import png_bytes
from handful.core.sample_rows import write_rows
from handful.core.workspace import Workspace
from handful.pages.pictures import Picture
from handful.report.build import build_report
from handful.report.source_maps import COLOURS, read_sources, source_maps


def passport(file: str) -> SamplePassport:
    return SamplePassport(
        file=file, drew_on=(0, 1, 2), novelty=1.21, largest_region=0.25, most_used_photo=2, most_used_share=0.75
    )


def write_map(path: Path, sources: np.ndarray[tuple[int, int], np.dtype[np.uint8]]) -> None:
    """A passport's picture: the map, and below and beside it what rebuilding takes."""
    rows, columns = sources.shape
    picture = np.full((rows * 3, columns + 2), 99, np.uint8)
    picture[:rows, :columns] = sources
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(png_bytes(picture, 8, {"handful passport": json.dumps({"levels": [[rows, columns], [1, 1]]})}))


def colours_of(picture: Picture) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    with Image.open(io.BytesIO(base64.b64decode(picture.address.partition(",")[2]))) as opened:
        return np.asarray(opened.convert("RGB"))


def test_the_map_is_painted_by_photo_the_most_used_first(tmp_path: Path) -> None:
    write_map(tmp_path / "passports/0.png", np.array([[2, 2, 2, 0], [2, 2, 2, 7]], np.uint8))
    shown = {tmp_path / "0.png": Picture("", 8, 4)}
    maps, legend = source_maps(tmp_path, {"0.png": passport("passports/0.png")}, shown, None)
    painted = colours_of(maps[0].picture)
    assert painted.shape == (4, 8, 3)
    assert (painted[:, :6] == COLOURS[0]).all() and (painted[:2, 6:] == COLOURS[1]).all()
    assert [(line.name, line.share) for line in legend] == [
        ("photo 2", "75 %"),
        ("photo 0", "12 %"),
        ("photo 7", "12 %"),
    ]
    assert legend[0].colour == "#0072b2"
    for words in ("3 photos", "photo 2 (75 %)", "one photo 25 %", "novelty 1.21"):
        assert words in maps[0].words


def test_photos_beyond_the_colours_share_one(tmp_path: Path) -> None:
    write_map(tmp_path / "passports/0.png", np.arange(12, dtype=np.uint8).reshape(3, 4))
    shown = {tmp_path / "0.png": Picture("", 4, 3)}
    maps, legend = source_maps(tmp_path, {"0.png": passport("passports/0.png")}, shown, None)
    assert len(legend) == len(COLOURS) + 1 and legend[-1].name == "4 other photos" and legend[-1].share == "33 %"
    assert len(np.unique(colours_of(maps[0].picture).reshape(-1, 3), axis=0)) == len(COLOURS) + 1


@pytest.mark.parametrize("content", [b"no picture", png_bytes(np.zeros((2, 2), np.uint8), 8)])
def test_a_passport_that_cannot_be_read_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.png").write_bytes(content)
    assert read_sources(tmp_path / "0.png") is None and read_sources(tmp_path / "1.png") is None
    assert source_maps(tmp_path, {"0.png": passport("0.png")}, {tmp_path / "0.png": Picture("", 4, 3)}, None) == (
        [],
        [],
    )


def test_the_page_shows_maps_with_the_names_of_the_photos(tmp_path: Path) -> None:
    write_photos(tmp_path)
    write_run(tmp_path, "dcgan")
    folder = next(iter(sorted(Workspace(tmp_path).samples.iterdir())))
    rows = read_sample_rows(folder)
    first = min(rows)
    row = rows[first].model_copy(update={"passport": passport(f"passports/{first:06d}.png")})
    write_rows(folder, {**rows, first: row})
    assert (folder / SAMPLE_ROWS).is_file()
    dataset = DatasetManifest.read(Workspace(tmp_path).dataset)
    PassportLegend(photos=tuple(image.pixels_sha256 for image in dataset.images)).write(folder / "passports")
    write_map(folder / f"passports/{first:06d}.png", np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8))
    text = build_report(tmp_path).path.read_text(encoding="utf-8")
    assert text.count('<ul class="legend">') == 1 and "the training photo that gave most" in text
    assert "&lt;b&gt;ü&amp;.png <span>100 %" in text and HOSTILE not in text
