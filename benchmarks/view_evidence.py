"""How far photos of a folder agree on one view: what the threshold of `handful.light.view` was set by.

    python benchmarks/view_evidence.py FOLDER [--group REGEX]

--group takes the photos apart by what the pattern matches in their names, such as the place of a ball screw.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np
import torch

from handful.light.photo_files import read_photos
from handful.light.view import LEAST_AGREEMENT, compare_views


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--group", default="^")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    groups: dict[str, list[torch.Tensor]] = {}
    for photo in read_photos(arguments.folder, None, None)[0]:
        found = re.search(arguments.group, photo.name)
        small = torch.nn.functional.adaptive_avg_pool2d(photo.planes()[0].mean(0, keepdim=True)[None], (192, 256))[0]
        groups.setdefault(found.group() if found else "", []).append(small)
    print(f"threshold {LEAST_AGREEMENT}\n| photos | n | median | minimum | maximum |\n|---|---|---|---|---|")
    for name, photos in groups.items():
        values = compare_views(photos).agreement
        print(f"| {name or 'all'} | {len(values)} | {np.median(values):.2f} | {min(values):.2f} | {max(values):.2f} |")


if __name__ == "__main__":
    main()
