"""The passport of a sample of the candidate path: which photo gave the detail of every place, and from where.

A sample is what its layout says at a quarter of the canvas and, above that, one blend of its layers a level. The
passport keeps the places that each layer shows, in 1/8 px, and for every cell of every level the layers of the `TOP`
largest weights with those weights in 1/255. `rebuild` makes the sample from it.

On disk it is one grey picture of bytes (of 16 bits where there are more than 256 photos). On top, so that the picture
itself is readable, lies a map of photo numbers at the finest level. Then for each level, finest first, maps of layers
and of weights; then the places of the layers: columns and rows, high and low bytes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handful.generators.base import Passport
from handful.generators.patch_diffusion_parts.candidate_path import CandidateDrawing, CandidateSampler
from handful.generators.patch_diffusion_parts.passport import LEAST_WEIGHT, TOP, WEIGHT_STEPS, largest_component
from handful.generators.patch_diffusion_parts.photo_layers import Layers, from_places, resized, to_places

_LEAST_BREAK_PX = 1.0
"""Neighbouring cells from one photo belong to one region where their offsets differ by at most this: a region that is
turned or bent as a whole is still one copy."""

Map = np.ndarray[Any, Any]


def write_passport(drawing: CandidateDrawing, sampler: CandidateSampler) -> Passport:
    """The passport of a drawing."""
    numbers = sampler.numbers.cpu()
    tops = [weights.topk(min(TOP, weights.shape[2]), dim=2) for weights in drawing.weights[::-1]]
    kept = _in_use(drawing)
    order = torch.zeros(len(drawing.layers), dtype=torch.long)
    order[kept] = torch.arange(len(kept))
    layers = Layers(drawing.layers.photos[kept], drawing.layers.offsets[kept])
    gave = order[drawing.weights[-1].argmax(2).cpu()]  # (rows, columns): the layer of most detail
    photos = numbers[layers.photos][gave]
    maps = [photos.numpy()]
    for top in tops:
        shares = (top.values / top.values.sum(2, keepdim=True) * WEIGHT_STEPS).round().long().cpu()
        layer = torch.where(shares > 0, order[top.indices.cpu()], 0)
        maps.append(torch.cat([layer, shares], dim=2).permute(2, 0, 1).flatten(0, 1).numpy())
    places = to_places(layers.offsets, sampler.cell_px, *sampler.size).cpu()
    for axis in (0, 1):
        maps += [(places[..., axis] // 256).flatten(0, 1).numpy(), (places[..., axis] % 256).flatten(0, 1).numpy()]
    counts = torch.bincount(photos.flatten(), minlength=int(numbers.max()) + 1) / photos.numel()
    return Passport(
        picture=_stack(maps, np.uint8 if int(numbers.max()) < 256 else np.uint16),
        facts={
            "path": "candidates",
            "levels": [list(top.indices.shape[:2]) for top in tops],
            "top": [top.indices.shape[2] for top in tops],
            "layers": numbers[layers.photos].tolist(),
            "cells": list(layers.offsets.shape[1:3]),
            "layout": int(numbers[layers.photos[-1]]),
        },
        drew_on=tuple(sorted(set(numbers[layers.photos].tolist()))),
        novelty=sampler.novelty(drawing.image),
        largest_region=largest_region(photos, offsets_shown(layers, gave)),
        most_used_photo=int(counts.argmax()),
        most_used_share=float(counts.max()),
    )


def rebuild(picture: Map, facts: dict[str, Any], sampler: CandidateSampler) -> Tensor:
    """The sample (1, c, h, w) that a passport describes, from the photos that the sampler holds."""
    count, first = len(facts["layers"]), int(facts["levels"][0][0])

    def next_map(rows: int, columns: int) -> Tensor:
        nonlocal first
        first += rows
        return torch.from_numpy(picture[first - rows : first, :columns].astype(np.int64))

    weights = []
    for (rows, columns), top in zip(facts["levels"], facts["top"], strict=True):
        layer, share = next_map(2 * top * rows, columns).view(2, top, rows, columns).permute(0, 2, 3, 1)
        full = torch.zeros(rows, columns, count).scatter_add_(2, layer, share.float())
        weights.append(full / full.sum(2, keepdim=True))
    rows, columns = facts["cells"]
    x, y = (next_map(count * rows, columns) * 256 + next_map(count * rows, columns) for _ in range(2))
    places = torch.stack([x, y], dim=-1).view(count, rows, columns, 2)
    index = {int(number): index for index, number in enumerate(sampler.numbers)}
    photos = torch.tensor([index[number] for number in facts["layers"]])
    return sampler.assemble(Layers(photos, from_places(places, sampler.cell_px)), weights[::-1])


def offsets_shown(layers: Layers, gave: Tensor) -> Tensor:
    """The offsets (rows, columns, 2) at which each cell looks into its photo, given the layer (rows, columns) there."""
    fine = resized(layers.offsets, *gave.shape).cpu()
    return fine.gather(0, gave[None, ..., None].expand(1, -1, -1, 2))[0]


def largest_region(photos: Tensor, offsets: Tensor) -> float:
    """Share of the largest connected region (4 neighbours) from one photo at places that go on smoothly.

    Args:
        photos: (rows, columns).
        offsets: (rows, columns, 2) in pixels of the finest level.
    """

    def joined(a: tuple[slice, slice], b: tuple[slice, slice]) -> Map:
        near = (offsets[a] - offsets[b]).abs().amax(-1) <= _LEAST_BREAK_PX
        return ((photos[a] == photos[b]) & near).numpy()

    every, but_last, but_first = slice(None), slice(None, -1), slice(1, None)
    return largest_component(
        joined((every, but_last), (every, but_first)), joined((but_last, every), (but_first, every))
    )


def _in_use(drawing: CandidateDrawing) -> Tensor:
    """The layers that gave anything, in their order; the layout's is the last and always among them."""
    most = torch.stack([weights.amax((0, 1)) for weights in drawing.weights]).amax(0).cpu()
    most[-1] = 1
    return (most >= LEAST_WEIGHT).nonzero().flatten()


def _stack(maps: list[Map], dtype: type[np.unsignedinteger[Any]]) -> Map:
    width = max(part.shape[1] for part in maps)
    return np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in maps]).astype(dtype)
