"""Exported sets as pycocotools and supervision read them; make_layouts.py beside this file stored what they found."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from layout_exports import FORMATS, KINDS, SIZE, index_maps, make_exports, polygons
from scipy import ndimage

from handful.core.labels import Region
from handful.core.runs import text_to_runs
from handful.photos.layouts import read_labels
from handful.samples.outlines import parts

PRINTED = json.loads((Path(__file__).parent / "layouts.json").read_text("utf-8"))["printed"]
FILES = [f"sample_{seed:06d}.png" for seed in range(4)]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exports")
    make_exports(folder)
    return folder


def runs_to_mask(text: str) -> np.ndarray:
    return Region(kind="a", runs=text_to_runs(text)).rasterise(Path(), SIZE)


def truth(number: int) -> list[tuple[str, np.ndarray]]:
    """(kind, mask) of each object of an image, in the order of the export."""
    return [(KINDS[kind - 1], mask) for kind, mask in parts(index_maps()[number])]


@pytest.mark.parametrize("format", FORMATS)
def test_the_formats_own_readers_find_every_object(format: str) -> None:
    assert set(PRINTED[format]) == set(FILES)
    for number, file in enumerate(FILES):
        assert [one["kind"] for one in PRINTED[format][file]] == [kind for kind, _ in truth(number)]


def test_pycocotools_reads_exactly_our_masks_areas_and_boxes() -> None:
    for number, file in enumerate(FILES):
        for one, (_, mask) in zip(PRINTED["coco"][file], truth(number), strict=True):
            assert np.array_equal(runs_to_mask(one["mask"]), mask)
            assert one["area"] == one["true_area"] == mask.sum() and one["box"] == one["true_box"]


@pytest.mark.parametrize("format", ["yolo", "voc"])
def test_supervision_finds_our_boxes_to_the_pixel(format: str) -> None:
    for number, file in enumerate(FILES):
        for one, (_, mask) in zip(PRINTED[format][file], truth(number), strict=True):
            rows, columns = np.nonzero(mask)
            corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert one["corners"] == pytest.approx(corners, abs=1e-6)


def test_supervision_fills_our_outlines_to_our_masks_give_or_take_a_border() -> None:
    """Its filling includes the outline itself, one pixel on."""
    for number, file in enumerate(FILES):
        for one, (_, mask) in zip(PRINTED["yolo"][file], truth(number), strict=True):
            filled = runs_to_mask(one["mask"])
            assert (filled | ~ndimage.binary_erosion(mask, np.ones((3, 3)), border_value=1)).all()
            assert (~filled | ndimage.binary_dilation(mask, np.ones((3, 3)))).all()


@pytest.mark.parametrize("format", FORMATS)
def test_we_read_what_the_formats_own_readers_read(format: str, exports: Path) -> None:
    sheet = read_labels(exports / format)
    assert sheet is not None and sheet.layout == format
    for photo in sheet.photos:
        printed = PRINTED[format][Path(photo.name).name]
        assert sorted(region.kind for region in photo.regions) == sorted(one["kind"] for one in printed)
        for region, one in zip(photo.regions, printed, strict=True):
            ours = region.rasterise(Path(sheet.folder), SIZE)
            if format == "coco":
                assert np.array_equal(ours, runs_to_mask(one["mask"]))
            else:
                rows, columns = np.nonzero(ours)
                corners = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                assert one["corners"] == pytest.approx(corners, abs=1e-6)


def test_polygons_fill_as_pycocotools_fills_them() -> None:
    """It rounds the outline to a grid five times as fine, we do not: centres within half a step of it may differ."""
    for corners, text in zip(polygons(), PRINTED["polygons"], strict=True):
        ours = Region(kind="a", polygon=tuple(corners)).rasterise(Path(), SIZE)
        assert ours.sum() > 50
        starts = np.array(corners)
        edges = np.roll(starts, -1, axis=0) - starts
        for row, column in np.argwhere(ours != runs_to_mask(text)):
            away = np.array([column + 0.5, row + 0.5]) - starts
            along = np.clip((away * edges).sum(axis=1) / (edges**2).sum(axis=1), 0, 1)
            assert np.hypot(*(away - along[:, None] * edges).T).min() <= 0.1
