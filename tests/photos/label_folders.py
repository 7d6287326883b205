"""Small labelled folders, one a layout, all of the same truth: 8x6 photos, `gap` is a box, `bubble` a triangle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

GAP = np.zeros((6, 8), bool)
GAP[1:5, 2:5] = True
BUBBLE = np.add.outer(np.arange(6) + 0.5, np.arange(8) + 0.5) < 4  # the triangle (0, 0), (4, 0), (0, 4)


def put(folder: Path, name: str, pixels: np.ndarray | None = None) -> None:
    """A photo of its own noise, or what is given."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    if pixels is None:
        pixels = np.random.default_rng(abs(hash(name)) % 1000).integers(0, 256, (6, 8))
    Image.fromarray(np.asarray(pixels).astype(np.uint8)).save(folder / name)


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def classes(folder: Path) -> None:
    for name in ("OK/a.png", "gap/b.png", "bubble/c 1.png"):
        put(folder, name)


def masks(folder: Path) -> None:
    put(folder, "ok/a.png")
    put(folder, "gap/b.png")
    put(folder, "gap/b_mask.png", GAP * 255)
    put(folder, "bubble/c 1.png")
    put(folder, "masks/bubble/c 1.png", BUBBLE)


def mvtec(folder: Path) -> None:
    for name in ("train/good/a.png", "test/gap/b.png", "test/bubble/c 1.png"):
        put(folder, name)
    put(folder, "ground_truth/gap/b_mask.png", GAP * 255)
    put(folder, "ground_truth/bubble/c 1_mask.png", BUBBLE * 255)


def coco_document() -> dict[str, list[dict[str, object]]]:
    return {
        "images": [
            {"id": 3, "file_name": "a.png", "width": 8, "height": 6},
            {"id": 4, "file_name": "b.png", "width": 8, "height": 6},
            {"id": 9, "file_name": "c 1.png"},
        ],
        "annotations": [
            {"id": 1, "image_id": 4, "category_id": 7, "bbox": [2, 1, 3, 4]},
            {"id": 2, "image_id": 9, "category_id": 5, "segmentation": [[0, 0, 4, 0, 0, 4]], "bbox": [0, 0, 4, 4]},
        ],
        "categories": [{"id": 5, "name": "bubble"}, {"id": 7, "name": "gap"}],
    }


def coco(folder: Path) -> None:
    for name in ("a.png", "b.png", "c 1.png"):
        put(folder / "images", name)
    write(folder, "annotations/instances_train.json", json.dumps(coco_document()))


def yolo(folder: Path) -> None:
    for name in ("a.png", "b.png", "c 1.png"):
        put(folder / "images", name)
    write(folder, "labels/a.txt", "")
    write(folder, "labels/b.txt", f"1 {3.5 / 8} 0.5 {3 / 8} {4 / 6}\n")
    write(folder, "labels/c 1.txt", f"0 0 0 0.5 0 0 {4 / 6}\n")
    write(folder, "data.yaml", "path: x  # of mine\nnames:\n  0: bubble\n  1: 'gap'\nnc: 2\n")


VOC_HEAD = "<annotation><size><width>8</width><height>6</height></size>"


def voc_object(kind: str, left: int, top: int, right: int, bottom: int) -> str:
    ends = f"<xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax>"
    return f"<object><name>{kind}</name><bndbox>{ends}</bndbox></object>"


def voc(folder: Path) -> None:
    for name in ("a.png", "b.png", "c 1.png"):
        put(folder / "JPEGImages", name)
    write(folder, "Annotations/a.xml", f"{VOC_HEAD}</annotation>")
    write(folder, "Annotations/b.xml", f"{VOC_HEAD}{voc_object('gap', 3, 2, 5, 5)}</annotation>")
    write(folder, "Annotations/c 1.xml", f"{VOC_HEAD}{voc_object('bubble', 1, 1, 3, 3)}</annotation>")
    put(folder, "SegmentationObject/c 1.png", BUBBLE * 1)


def labelme(folder: Path) -> None:
    for name in ("a.png", "b.png", "c 1.png"):
        put(folder / "data", name)
    box = {"label": "gap", "points": [[5, 1], [2, 5]], "shape_type": "rectangle"}
    outline = {"label": "bubble", "points": [[0, 0], [4, 0], [0, 4]], "shape_type": "polygon"}
    for stem, shape in (("b", box), ("c 1", outline)):
        document = {"shapes": [shape], "imagePath": f"..\\data\\{stem}.png", "imageWidth": 8, "imageHeight": 6}
        write(folder, f"label/{stem}.json", json.dumps(document))


WRITERS = {writer.__name__: writer for writer in (classes, masks, mvtec, coco, yolo, voc, labelme)}
