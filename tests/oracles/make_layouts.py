"""Reads exported sets with the formats' own readers and stores what they found in layouts.json beside this file.

Run once, the second line in an environment of its own:

    python tests/oracles/layout_exports.py EXPORTS
    pip install pycocotools==2.0.11 supervision==0.31.2 pyyaml==6.0.3 && python tests/oracles/make_layouts.py EXPORTS

pycocotools reads COCO, supervision YOLO and Pascal VOC. Masks are stored as pycocotools' run lengths.
"""

import json
import sys
import warnings
from importlib import metadata
from pathlib import Path

warnings.simplefilter("ignore")  # supervision without OpenCV says so

import numpy as np  # noqa: E402
import supervision as sv  # noqa: E402
from pycocotools import mask as rle  # noqa: E402
from pycocotools.coco import COCO  # noqa: E402


def encode(mask):
    return rle.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()


def read_coco(folder):
    coco = COCO(folder / "annotations/instances_train.json")
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    return {
        image["file_name"]: [
            {"kind": names[one["category_id"]], "mask": encode(coco.annToMask(one)), "area": one["area"],
             "true_area": int(rle.area(coco.annToRLE(one))), "box": one["bbox"],
             "true_box": rle.toBbox(coco.annToRLE(one)).tolist()}
            for one in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        ]
        for image in coco.loadImgs(coco.getImgIds())
    }  # fmt: skip


def objects(dataset):
    found = {}
    for path, _, one in dataset:
        masks = [None] * len(one) if one.mask is None else [encode(mask) for mask in one.mask]
        found[Path(path).name] = [
            {"kind": dataset.classes[number], "corners": corners, "mask": mask}
            for number, corners, mask in zip(one.class_id.tolist(), one.xyxy.tolist(), masks, strict=True)
        ]
    return found


def main(folder):
    yolo, voc = folder / "yolo", folder / "voc"
    outlines = json.loads((folder / "polygons.json").read_text("utf-8"))
    flat = [[[value for corner in outline for value in corner]] for outline in outlines]
    printed = {
        "coco": read_coco(folder / "coco"),
        "yolo": objects(
            sv.DetectionDataset.from_yolo(
                str(yolo / "images/train"), str(yolo / "labels/train"), str(yolo / "data.yaml"), force_masks=True
            )
        ),
        "voc": objects(sv.DetectionDataset.from_pascal_voc(str(voc / "JPEGImages"), str(voc / "Annotations"))),
        "polygons": [encode(rle.decode(rle.merge(rle.frPyObjects(outline, 30, 40)))) for outline in flat],
    }
    versions = {name: metadata.version(name) for name in ("pycocotools", "supervision", "pyyaml", "numpy")}
    path = Path(__file__).with_name("layouts.json")
    path.write_text(json.dumps({"versions": versions, "printed": printed}, separators=(",", ":")) + "\n", "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
