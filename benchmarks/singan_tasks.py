"""Pictures of SinGAN's tasks on one rendered station: each task's input beside what it made.

    python benchmarks/singan_tasks.py --work /tmp/tasks --budget 5min

Renders a photo, trains a SinGAN on it, and writes one sheet a task and an animation to WORK/pictures.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

import handful

SHEET_PX = 192  # width of one picture on a sheet

Pixels = npt.NDArray[np.uint8]


def read(path: Path) -> Pixels:
    return np.asarray(Image.open(path).convert("L"))


def sheet(path: Path, *rows: list[Pixels]) -> None:
    """Pictures of one aspect side by side, on a white ground."""
    height = round(SHEET_PX * rows[0][0].shape[0] / rows[0][0].shape[1])
    page = Image.new("L", ((SHEET_PX + 4) * max(map(len, rows)) - 4, (height + 4) * len(rows) - 4), 255)
    for row, pictures in enumerate(rows):
        for column, picture in enumerate(pictures):
            small = Image.fromarray(picture).resize((SHEET_PX, height), Image.Resampling.BICUBIC)
            page.paste(small, (column * (SHEET_PX + 4), row * (height + 4)))
    page.save(path, optimize=True)


def train(work: Path, canvas: str, budget: str) -> tuple[Path, Pixels]:
    """A SinGAN of one rendered photo: its run, and the photo on the canvas."""
    if not (work / "photos").exists():
        handful.render_station(work / "photos", 1, seed=3, width=256, height=192)
    settings = handful.DatasetSettings.model_validate({"canvas": canvas, "heldout": 0})
    dataset = handful.build_dataset(handful.audit_photos(work / "photos"), work / "2_dataset", settings)
    limits = handful.TrainSettings.model_validate({"budget": budget, "threads": 1, "device": "cpu"})
    run = handful.train_generator("singan", work / "2_dataset", work / "3_train", limits)
    print(f"{run.steps} steps in {run.seconds:.0f} s")
    return work / "3_train" / run.run_id, read(work / "2_dataset" / dataset.images[0].file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", default="5min", help="of the training")
    parser.add_argument("--canvas", default="96")
    parser.add_argument("--work", type=Path, help="where an interrupted training goes on; default: a new folder")
    chosen = parser.parse_args()
    work = chosen.work or Path(tempfile.mkdtemp())
    run, photo = train(work, chosen.canvas, chosen.budget)
    out = work / "pictures"
    height, width = photo.shape
    box = (slice(height // 8, height // 8 + height // 4), slice(width // 8, width // 8 + width // 5))
    mask = np.zeros_like(photo)
    mask[box] = 255
    inputs = out / "inputs"
    inputs.mkdir(parents=True)
    Image.fromarray(mask).save(inputs / "mask.png")

    pasted = photo.copy()
    down, across = np.mgrid[: mask[box].shape[0], : mask[box].shape[1]]
    middle = (np.array(mask[box].shape) - 1) / 2
    inside = ((down - middle[0]) / (middle[0] + 1)) ** 2 + ((across - middle[1]) / (middle[1] + 1)) ** 2 < 0.8
    pasted[box] = np.where(inside, 235 - 2 * down, pasted[box])
    moved = photo.copy()
    moved[box] = photo[height // 2 : height // 2 + height // 4, width // 2 : width // 2 + width // 5]
    levels = np.quantile(photo, [0.05, 0.5, 0.98]).astype(np.uint8)
    clip_art = np.full_like(photo, levels[1])
    clip_art[height // 3 : height // 3 + height // 8, width // 8 : -width // 8] = levels[2]
    clip_art[: height // 10] = clip_art[-height // 10 :] = levels[0]
    for name, picture in (("pasted", pasted), ("moved", moved), ("clip_art", clip_art), ("photo", photo)):
        Image.fromarray(picture).save(inputs / f"{name}.png")

    def results(task: str, name: str, column: str, values: list[object], **settings: object) -> list[Pixels]:
        made = []
        for value in values:
            folder = out / "results" / f"{task}-{column}-{value}"
            masks = inputs / "mask.png" if task in ("harmonise", "edit") else None
            handful.apply_task(
                task, run, folder, inputs / f"{name}.png", masks, {column: value, **settings}, device="cpu"
            )
            made.append(read(folder / f"{name}.png"))
        return made

    scales: list[object] = [1, 2, 3, 4]
    sheet(out / "harmonise.png", [pasted, *results("harmonise", "pasted", "scale", scales)])
    sheet(out / "edit.png", [moved, *results("edit", "moved", "scale", scales, dilation_px=7)])
    painted = results("paint", "clip_art", "scale", scales)
    quantised = results("paint", "clip_art", "colours", [5], scale=2, steps=200)
    sheet(out / "paint.png", [clip_art, *painted, *quantised])
    large = results("enlarge", "photo", "factor", [4.0])[0]
    plain = np.asarray(Image.fromarray(photo).resize(large.shape[::-1], Image.Resampling.BICUBIC))
    part = (slice(5 * height // 2, 7 * height // 2), slice(5 * width // 2, 7 * width // 2))
    sheet(out / "enlarge.png", [plain[part], large[part]])
    handful.apply_task("animate", run, out / "results" / "animate", settings={"frames": 24}, device="cpu")
    (out / "animate.gif").write_bytes((out / "results" / "animate" / "animation.gif").read_bytes())
    drawn = []
    for start in (0, 1, 2):
        folder = out / "results" / f"start-{start}"
        handful.draw_samples(
            run, folder, 2, 0, device="cpu", controls={"start_scale": start, "size": f"{2 * width}x{height}"}
        )
        drawn.append([read(folder / f"{seed:06d}.png") for seed in (0, 1)])
    sheet(out / "sizes.png", *drawn)


if __name__ == "__main__":
    main()
