"""What a task makes of each picture: planned and checked first, drawn one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handful.core.artifacts import RunManifest, SampleRow, Size
from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.images import Integers, unit_to_integers
from handful.core.memory import check_memory
from handful.generators.singan import Singan
from handful.generators.singan_parts.photo_scales import Scales
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.scale import Draw
from handful.generators.singan_parts.tasks import (
    animate,
    coarsen,
    drawing_bytes,
    enlarge,
    enlarged_sizes,
    learn_colours,
    main_colours,
    redraw,
    to_colours,
)
from handful.samples.blend import blend, region_weights
from handful.samples.pictures import Picture, check_alike, pair_files, read_picture
from handful.samples.task_settings import AnimateSettings, EnlargeSettings, PaintSettings, RegionSettings

_ASPECT_TOLERANCE = 0.02
_GIF_BIT_DEPTH = 8
_BLEND_BYTES = 80  # a pixel and channel: distances, weights and mixtures in float64, and the picture
_FRAME_BYTES = 2 * 3  # an integer frame and its copy in the file

Share = Callable[[float], None]
"""Hears the share of one result that is done."""


@dataclass(frozen=True)
class Result:
    """One file to make."""

    row: SampleRow
    """With its pixels' hash still empty."""
    bit_depth: int
    draw: Callable[[Share], Integers]


class TaskResults:
    """Plans and draws the results of one task on one run."""

    def __init__(self, singan: Singan, trained: RunManifest, told: Settings, controls: dict[str, Any]) -> None:
        self.singan, self.trained, self.told, self.controls = singan, trained, told, controls
        self._learned: dict[int, tuple[Tensor, Draw]] = {}

    def plan(self, pictures: Path | None, masks: Path | None, seed: int) -> tuple[list[Result], Size, list[str]]:
        """What is to be made, its size, and the pixel hashes of the pictures; refuses what cannot be made."""
        if isinstance(self.told, AnimateSettings):
            return *self._plan_animation(self.told, seed), []
        assert pictures is not None
        results, hashes, first = [], [], None
        for index, files in enumerate(pair_files(pictures, masks)):
            picture = read_picture(*files, channels=self.trained.channels)
            if first is None:
                first, size = picture, self._check_picture(picture)
            check_alike(picture, first)
            member = self._member(picture)
            if isinstance(self.told, RegionSettings | PaintSettings):
                scales = self.singan.scales_of(member)
                self._check_scale(scales, "scale", self._start(scales), 1)
            hashed = {"picture": f"sha256:{picture.sha256}"}
            if picture.mask_sha256 is not None:
                hashed["mask"] = f"sha256:{picture.mask_sha256}"
            row = self._row(f"{picture.name}.png", seed + index, member, hashed)
            depth = self.trained.bit_depth if isinstance(self.told, PaintSettings) else picture.bit_depth
            results.append(Result(row, depth, partial(self._draw, files, member, seed + index)))
            hashes.append(picture.pixels_sha256)
        return results, size, hashes

    def _check_picture(self, picture: Picture) -> Size:
        """The size of the result. Pictures of a folder have one size, so the first speaks for all."""
        height, width = picture.pixels.shape[:2]
        rows, columns = self.singan.sizes[-1]
        if abs(width / height * rows / columns - 1) > _ASPECT_TOLERANCE:
            raise UserError(
                f"{picture.name} is {width}x{height} px.",
                f"A picture has the aspect of the run's canvas, {self.trained.canvas}, within "
                f"{100 * _ASPECT_TOLERANCE:.0f} %.",
                "Crop it as the photos were.",
            )
        size, told = Size(width=width, height=height), self.told
        pixels, drawn_width = rows * columns, self.singan.widths[-1]
        if isinstance(told, EnlargeSettings):
            rows, columns = enlarged_sizes(height, width, told.factor)[-1]
            size, pixels = Size(width=columns, height=rows), rows * columns
        elif isinstance(told, PaintSettings):
            size = self.trained.canvas
        channels = self.trained.channels
        check_memory(
            drawing_bytes(1, pixels, channels, drawn_width) + _BLEND_BYTES * height * width * channels,
            f"A result of {size} px",
            "Give smaller pictures, or a smaller factor.",
            self.singan.device,
        )
        return size

    def _draw(self, files: tuple[str, Path, Path | None], member: int, seed: int, share: Share) -> Integers:
        picture = read_picture(*files, channels=self.trained.channels)
        scales, told = self.singan.scales_of(member), self.told
        image = torch.from_numpy(picture.unit)[None].to(self.singan.device)
        if isinstance(told, EnlargeSettings):
            return _integers(enlarge(scales, image, told.factor, seed), picture.bit_depth)
        if isinstance(told, PaintSettings):
            canvas = self.trained.canvas
            return _integers(
                resize(self._paint(scales, told, image, member, seed, share), canvas.height, canvas.width),
                self.trained.bit_depth,
            )
        assert isinstance(told, RegionSettings) and picture.mask is not None
        scale = self._start(scales)
        drawn = redraw(scales, scale, coarsen(scales, scale, image), seed)
        height, width = picture.mask.shape
        enlarged = max(height, width) / max(scales.sizes[-1])
        weights = region_weights(picture.mask, told.dilation_px * enlarged, told.smoothing_px * enlarged)
        return blend(picture.pixels, _integers(resize(drawn, height, width), picture.bit_depth), weights)

    def _paint(
        self, scales: Scales, told: PaintSettings, image: Tensor, member: int, seed: int, share: Share
    ) -> Tensor:
        if not told.colours:
            return redraw(scales, told.scale, coarsen(scales, told.scale, image), seed)
        size = scales.sizes[told.scale]
        if member not in self._learned:
            colours = main_colours(resize(scales.reconstruct(told.scale), *size), told.colours)
            settings = self.singan.settings
            learned = learn_colours(scales, told.scale, colours, told.steps, self.trained.seed, settings, share)
            self._learned[member] = colours, learned
        colours, learned = self._learned[member]
        return redraw(scales, told.scale, to_colours(resize(image, *size), colours), seed, learned)

    def _plan_animation(self, told: AnimateSettings, seed: int) -> tuple[list[Result], Size]:
        scales, canvas, gif = self.singan.scales_of(told.photo), self.trained.canvas, told.format == "gif"
        self._check_scale(scales, "start_scale", told.start_scale, 0)
        rows, columns = scales.sizes[-1]
        pixels, channels = canvas.height * canvas.width, self.trained.channels
        check_memory(
            drawing_bytes(1, rows * columns, channels, self.singan.widths[-1])
            + told.frames * gif * pixels * channels * _FRAME_BYTES,
            f"An animation of {told.frames} frames of {canvas} px",
            "Ask for fewer frames.",
            self.singan.device,
        )
        depth = _GIF_BIT_DEPTH if gif else self.trained.bit_depth

        def frames() -> Iterator[Integers]:
            walk = animate(scales, told.start_scale, told.frames, told.alpha, told.beta, seed)
            return (_integers(resize(frame, canvas.height, canvas.width), depth) for frame in walk)

        if gif:

            def draw_all(share: Share) -> Integers:
                drawn = []
                for frame in frames():
                    drawn.append(frame)
                    share(len(drawn) / told.frames)
                return np.stack(drawn)

            return [Result(self._row("animation.gif", seed, told.photo, {}), depth, draw_all)], canvas
        walked: list[Iterator[tuple[int, Integers]]] = []

        def draw_one(number: int, share: Share) -> Integers:
            if not walked:
                walked.append(iter(enumerate(frames())))
            return next(frame for at, frame in walked[0] if at == number)

        return [
            Result(
                self._row(f"frame-{number:05d}.png", seed, told.photo, {"frame": number}),
                depth,
                partial(draw_one, number),
            )
            for number in range(told.frames)
        ], canvas

    def _row(self, file: str, seed: int, member: int, more: Mapping[str, Any]) -> SampleRow:
        trained = self.trained
        assert trained.weights_sha256 is not None  # restore_run returns finished runs alone
        return SampleRow(
            file=file,
            seed=seed,
            run_id=trained.run_id,
            photos_fingerprint=trained.training_fingerprint,
            weights_sha256=trained.weights_sha256,
            pixels_sha256="",
            source=trained.training_order[member] if trained.training_order else None,
            controls={**self.controls, **more},
        )

    def _member(self, picture: Picture) -> int:
        """The photo asked for, or the one whose pixels differ least from the picture's, the region left out."""
        photo: int | None = getattr(self.told, "photo", None)
        if photo is not None:
            self.singan.scales_of(photo)  # refuses what is not there
            return photo
        photos = self.singan.fleet.photos[: self.singan.ready]
        image = resize(torch.from_numpy(picture.unit)[None].to(photos), *photos.shape[2:])
        outside = torch.ones_like(image[:, :1])
        if picture.mask is not None and not picture.mask.all():
            region = torch.from_numpy(picture.mask.astype(np.float32))[None, None].to(photos)
            outside = (resize(region, *photos.shape[2:]) <= 0).float()
        return int(((photos - image).square() * outside).mean((1, 2, 3)).argmin())

    def _start(self, scales: Scales) -> int:
        """The scale that a picture stands in for."""
        asked: int | None = getattr(self.told, "scale", None)
        return (scales.last + 1) // 2 if asked is None else asked

    def _check_scale(self, scales: Scales, name: str, scale: int, least: int) -> None:
        if not least <= scale <= scales.last:
            raise UserError(
                f"{name} is {scale}.",
                f"This run has {scales.last + 1} scale(s), so {name} goes from {least} to {scales.last}.",
                f"Give another with --set {name}=, or train on a larger canvas.",
            )


def _integers(image: Tensor, bit_depth: int) -> Integers:
    """(1, c, h, w) -> integers."""
    return unit_to_integers(image[0].float().cpu().numpy(), bit_depth)
