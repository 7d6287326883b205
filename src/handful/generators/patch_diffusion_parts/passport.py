"""The passport of a sample: which photos gave how much, at every place of every level.

A sample is linear in the photos once the weights of each level's last step are known: the mixture at the coarsest
level, and above it one blend a level. The passport keeps, for every cell, the photos of the `TOP` largest weights and
those weights in 1/255; the rest is dropped and the others scaled to sum to 1. `rebuild` makes the sample from it.

On disk it is one grey picture: the finest level's first photo map lies on top, so that the picture itself is readable,
then that level's other maps, its weights, and the same for each coarser level. Values of the maps are photo numbers.
"""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from handful.generators.base import Passport
from handful.generators.patch_diffusion_parts.aligned import AlignedSampler, Drawing
from handful.generators.patch_diffusion_parts.global_state import GlobalState
from handful.generators.patch_diffusion_parts.start import Start

TOP = 4
WEIGHT_STEPS = 255
LEAST_WEIGHT = 1 / 256
"""A photo counts as drawn on from this weight on, anywhere at any level; and if it was mixed."""


def write_passport(drawing: Drawing, numbers: Tensor, novelty: float) -> Passport:
    """The passport of a drawing.

    Args:
        drawing: as the sampler drew it.
        numbers: (n,): the training photo that each photo of the sampler is.
        novelty: distance to the nearest photo over that of a photo to its nearest other.
    """
    blocks, sizes = [], []
    dtype = np.uint8 if int(numbers.max()) < 256 else np.uint16
    width = drawing.weights[-1].shape[1]
    used = torch.zeros(len(numbers))
    for weights in reversed(drawing.weights):
        rows, columns, n = weights.shape
        top = weights.topk(min(TOP, n), dim=2)
        levels = (top.values / top.values.sum(2, keepdim=True) * WEIGHT_STEPS).round()
        maps = torch.cat([numbers.to(top.indices)[top.indices], levels.long()], dim=2)  # (rows, columns, 2 top)
        block = np.zeros((2 * min(TOP, n) * rows, width), dtype)
        block[:, :columns] = maps.permute(2, 0, 1).reshape(-1, columns).cpu().numpy()
        blocks.append(block)
        sizes.append([rows, columns])
        used = torch.maximum(used, weights.amax((0, 1)).cpu())
    used[drawing.state.mixed] = 1
    first = drawing.weights[-1].argmax(2).cpu().numpy()
    counts = np.bincount(first.ravel(), minlength=len(numbers)) / first.size
    facts = {
        "levels": sizes,
        "top": min(TOP, len(numbers)),
        "shares": [round(float(share), 8) for share in drawing.state.shares],
        "photos": numbers.tolist(),
        "mixed": numbers.cpu()[drawing.state.mixed].tolist(),
        "mix_weights": [round(float(weight), 8) for weight in drawing.state.mix_weights],
    }
    if drawing.field is not None:
        facts["field"] = [[round(float(value), 8) for value in channel] for channel in drawing.field]
    if drawing.start is not None:
        facts["start"] = _start_facts(drawing.start, numbers)
    return Passport(
        picture=np.concatenate(blocks),
        facts=facts,
        drew_on=tuple(int(number) for number in numbers.cpu()[used >= LEAST_WEIGHT]),
        novelty=novelty,
        largest_region=largest_region(first),
        most_used_photo=int(numbers[int(counts.argmax())]),
        most_used_share=float(counts.max()),
    )


def rebuild(picture: np.ndarray[Any, Any], facts: dict[str, Any], sampler: AlignedSampler) -> Tensor:
    """The sample (1, c, h, w) that a passport describes, from the photos that the sampler holds."""
    numbers = torch.tensor(facts["photos"])
    place = torch.zeros(int(numbers.max()) + 1, dtype=torch.long)
    place[numbers] = torch.arange(len(numbers))
    top, first, weights = int(facts["top"]), 0, []
    for rows, columns in facts["levels"]:
        block = picture[first : first + 2 * top * rows, :columns].astype(np.int64).reshape(2, top, rows, columns)
        first += 2 * top * rows
        maps = torch.from_numpy(block).permute(0, 2, 3, 1)  # (2, rows, columns, top)
        full = torch.zeros(rows, columns, len(numbers))
        full.scatter_add_(2, place[maps[0]], maps[1].float())
        weights.append(full / full.sum(2, keepdim=True))
    state = GlobalState(
        shares=torch.tensor(facts["shares"]),
        mixed=place[torch.tensor(facts["mixed"])],
        mix_weights=torch.tensor(facts["mix_weights"]),
    )
    field = torch.tensor(facts["field"]) if "field" in facts else None
    start = _read_start(facts["start"], place, sampler) if "start" in facts else None
    return sampler.assemble(state, weights[::-1], field, start)


def _start_facts(start: Start, numbers: Tensor) -> dict[str, Any]:
    """Which photo was kept, and where: the bits of the region's rows, packed and encoded for text."""
    facts: dict[str, Any] = {"photo": int(numbers[start.index]), "noise": start.noise}
    if start.region is not None:
        packed = zlib.compress(np.packbits(start.region.cpu().numpy()).tobytes())
        facts["region"] = base64.b64encode(packed).decode("ascii")
    return facts


def _read_start(facts: dict[str, Any], place: Tensor, sampler: AlignedSampler) -> Start:
    region = None
    if "region" in facts:
        packed = np.frombuffer(zlib.decompress(base64.b64decode(facts["region"])), np.uint8)
        height, width = sampler.pyramid.height, sampler.pyramid.width
        region = torch.from_numpy(np.unpackbits(packed, count=height * width).reshape(height, width) > 0)
    return Start(int(place[facts["photo"]]), float(facts["noise"]), region)


def largest_region(sources: np.ndarray[Any, Any]) -> float:
    """Share of the largest connected region (4 neighbours) with one value in a map (rows, columns)."""
    return largest_component(sources[:, 1:] == sources[:, :-1], sources[1:] == sources[:-1])


def largest_component(right: np.ndarray[Any, Any], below: np.ndarray[Any, Any]) -> float:
    """Share of the largest connected part of a map (rows, columns).

    Args:
        right: (rows, columns - 1) bool: whether a cell belongs together with the one to its right.
        below: (rows - 1, columns) bool: the same with the one below.
    """
    rows, columns = right.shape[0], below.shape[1]
    cells = np.arange(rows * columns).reshape(rows, columns)
    ends = (
        np.concatenate([cells[:, :-1][right], cells[:-1][below]]),
        np.concatenate([cells[:, 1:][right], cells[1:][below]]),
    )
    graph = sparse.coo_matrix((np.ones(len(ends[0]), bool), ends), shape=(cells.size,) * 2)
    _, labels = sparse.csgraph.connected_components(graph, directed=False)
    return float(np.bincount(labels).max() / cells.size)
