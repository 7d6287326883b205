"""GPNN: patches replaced by the photo's nearest ones, coarse to fine. Nothing is trained.

Paper: Granot, Feinstein, Shocher, Bagon and Irani 2021, "Drop the GAN", arXiv 2103.15545.
Good for: one photo: textures and layouts of repeated parts, sharp, in seconds; other sizes and aspects of a photo.
Weak at: long parts that must stay whole (a bead breaks); more than one photo at a time: each sample is made of the
    patches of one. Cost grows with the square of the pixels.
Differs: squared distances are means over a patch's values in [-1, 1], and votes are averaged evenly; passes end where
    nothing changes any more, which changes no result; a canvas above max_size is drawn at that size and upsampled; the
    search is exact but skips pairs that a lower bound excludes. Inpainting starts from the mean of what is left, where
    the authors let the user paint; a collage starts from strips of its photos, and gives one sample the patches of all.
Origin: written for Handful from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import Field
from torch import Tensor

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.masks import read_mask
from handful.core.seeds import torch_stream
from handful.generators.base import Facts, Generator, ImageSpec, Stateful
from handful.generators.controls import Canvas, Indices
from handful.generators.gpnn_parts.levels import Size, check_patch, check_photo, level_sizes, sizes_drawn
from handful.generators.gpnn_parts.patches import fold_patches, to_patches
from handful.generators.gpnn_parts.region import check_region, free_patches, outside_mean, shrink_region, side_by_side
from handful.generators.gpnn_parts.search import Basis, nearest
from handful.generators.layers import PhotoBank
from handful.generators.singan_parts.pyramid import resize

FACTS = Facts(least_photos=1, least_side_px=14, trains=False, source_type="algorithmicMedia")


class GpnnSettings(Settings):
    """The paper's procedure; defaults are the paper's unless marked."""

    patch_px: int = Field(7, ge=2)
    """Side of a patch."""
    ratio: float = Field(4 / 3, gt=1, le=4)
    """About that of a level's sides to the next coarser level's."""
    coarsest_px: int = Field(14, ge=2)
    """Short side of the coarsest level: larger keeps more of the photo's layout."""
    noise: float = Field(0.75, ge=0)
    """Standard deviation of the noise on the coarsest level, where grey values span -1 to 1."""
    alpha: float = Field(0.005, gt=0)
    """How little a patch must be used for it to be preferred; small makes all of the photo appear."""
    passes: int = Field(10, ge=1)
    """Times that all patches are replaced at each level, at most."""
    max_size: int = Field(250, ge=14)
    """Long side of the finest level in pixels (ours, as SinGAN's): time grows with its fourth power."""


class GpnnControls(Settings):
    """What drawing can be told."""

    size: Canvas | None = None
    """Of the samples in pixels, for example 500x300; by default the canvas. Patches keep their size."""
    noise: float | None = Field(None, ge=0)
    """On the coarsest level, in place of the run's; 0 retargets the photo's own layout to another size."""
    photo: int | None = Field(None, ge=0)
    """Take the patches of this photo: its index among the training images, from 0."""
    layout: int | None = Field(None, ge=0)
    """Start from this photo's coarsest level, so that its layout is drawn in the other photo's look (structural
    analogy)."""
    collage: Indices = ()
    """Take the patches of all these photos, for example 0,4; the sample starts from strips of them, left to right."""
    region: Path | None = None
    """A mask of the canvas' size, white where the photo is to be filled in from its other parts (inpainting); all else
    stays as it is."""


class Gpnn(Generator):
    """A bank of photos; a seed picks the one whose patches a sample is made of."""

    settings_class = GpnnSettings
    controls_class = GpnnControls
    alone = True

    def __init__(self, settings: GpnnSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.sizes = level_sizes(spec.height, spec.width, settings.ratio, settings.coarsest_px, settings.max_size)
        check_patch(self.sizes, settings.patch_px, f"The canvas is {spec.width}x{spec.height}")
        self.bank = PhotoBank()

    def prepare(self, photos: Tensor) -> None:
        """Keeps the photos."""
        self.bank.fill(photos)

    def check_controls(self, controls: Settings) -> None:
        """Raises:
        UserError: no such photo, a size whose coarsest level does not hold a patch, a region that leaves none, or
            controls that exclude each other.
        """
        assert isinstance(controls, GpnnControls)
        numbers = [
            ("photo", controls.photo),
            ("layout", controls.layout),
            *(("collage", one) for one in controls.collage),
        ]
        for word, number in numbers:
            check_photo(word, number, len(self.bank.photos))
        if (size := controls.size) is not None:
            sizes = sizes_drawn(self.sizes, self.spec, size.height, size.width)
            check_patch(sizes, self.settings.patch_px, f"The samples are to be {size.width}x{size.height}")
        _check_together(controls)
        region = self._region(controls)
        if region is not None:
            check_region(region, self.sizes, self.settings.patch_px)

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return self.sample_controlled(seeds, GpnnControls())

    @torch.no_grad()
    def sample_controlled(self, seeds: Sequence[int], controls: Settings) -> Tensor:
        """As `sample`, of any size, from any photo's layout, or within a region alone."""
        assert isinstance(controls, GpnnControls)
        size = controls.size or self.spec
        sizes = sizes_drawn(self.sizes, self.spec, size.height, size.width)
        noise = self.settings.noise if controls.noise is None else controls.noise
        region, images = self._region(controls), []
        for seed, number in zip(seeds, self._photos_of(seeds, controls), strict=True):
            photos = self.bank.photos[list(controls.collage) or [number]]
            layout = photos if controls.layout is None else self.bank.photos[controls.layout : controls.layout + 1]
            start = resize(side_by_side(resize(layout, *self.sizes[0])), *sizes[0])
            # the same noise for all channels: it changes what lies where, not the colours
            drawn = noise * torch.randn(1, 1, *sizes[0], generator=torch_stream(seed, "gpnn/noise")).to(start)
            if region is not None:
                inside = shrink_region(region, sizes[0])
                start, drawn = torch.where(inside, outside_mean(start, inside), start), drawn * inside
            image = resize(self._draw(photos, start + drawn, sizes, region), size.height, size.width)
            images.append(image if region is None else torch.where(region, image, photos))
        return torch.cat(images)

    def _draw(self, photos: Tensor, image: Tensor, sizes: tuple[Size, ...], region: Tensor | None) -> Tensor:
        """From the coarsest level to the finest: (1, c, h, w) at the last of the sizes."""
        coarser = None
        for photo_size, size in zip(self.sizes, sizes, strict=True):
            values = resize(photos, *photo_size)
            inside = None if region is None else shrink_region(region, photo_size)
            if coarser is None:
                image = self._replace(image, values, values, inside)
            else:  # keys as blurred as the queries are
                image = self._replace(resize(image, *size), resize(coarser, *photo_size), values, inside)
            coarser = values
        return image

    def _replace(
        self, image: Tensor, keys_images: Tensor, values_images: Tensor, inside: Tensor | None = None
    ) -> Tensor:
        """All passes of one level.

        Args:
            image: (1, c, h, w), whose patches are replaced.
            keys_images: (k, c, h, w), what they are compared with at first; later with `values_images` themselves.
            values_images: the photos at this level.
            inside: (1, 1, h, w), where alone the image changes, and where no patch is taken from; None: everywhere.
        """
        patch_px, (height, width) = self.settings.patch_px, image.shape[2:]
        free = None if inside is None else free_patches(inside, patch_px)
        values = to_patches(values_images, patch_px)[slice(None) if free is None else free]
        basis = Basis(values)
        first_keys = to_patches(keys_images, patch_px)[slice(None) if free is None else free]
        keys = basis.describe(first_keys)
        alpha = self.settings.alpha * values.shape[1]  # distances are sums here
        places: Tensor | None = None
        nearest_query: Tensor | None = None
        for number in range(self.settings.passes):
            queries = basis.describe(to_patches(image, patch_px))
            nearest_query, distances = nearest(keys, queries, guess=nearest_query)
            chosen, _ = nearest(queries, keys, 1 / (alpha + distances), guess=places)
            if places is not None and torch.equal(chosen, places):
                break
            image, places = fold_patches(values, chosen, height, width, patch_px), chosen
            if inside is not None:
                image = torch.where(inside, image, values_images)
            if number == 0:
                keys = basis.describe(values)
                if keys_images is not values_images:
                    places = nearest_query = None  # neighbours among blurred keys are poor guesses among sharp ones
        return image

    def _region(self, controls: GpnnControls) -> Tensor | None:
        """(1, 1, h, w) on the device, true inside."""
        if controls.region is None:
            return None
        mask = read_mask(controls.region, self.spec.width, self.spec.height, "the canvas")
        return torch.from_numpy(mask)[None, None].to(self.device)

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> list[int] | None:
        if isinstance(controls, GpnnControls) and (controls.layout is not None or controls.collage):
            return None
        return self._photos_of(seeds, controls)

    def _photos_of(self, seeds: Sequence[int], controls: Settings | None) -> list[int]:
        if isinstance(controls, GpnnControls) and controls.photo is not None:
            return [controls.photo] * len(seeds)
        count = len(self.bank.photos)
        return [int(torch.randint(count, (), generator=torch_stream(seed, "gpnn/photo"))) for seed in seeds]

    def modules(self) -> dict[str, Stateful]:
        return {"bank": self.bank}


def _check_together(controls: GpnnControls) -> None:
    """Refuses controls that exclude each other."""
    others = [name for name in ("size", "layout", "collage") if getattr(controls, name)]
    others += ["layout"] if controls.layout == 0 else []
    if controls.region is not None and others:
        raise UserError(
            f"region is given together with {others[0]}.",
            "A region is filled in within one photo, at the canvas' size.",
            f"Leave one of them out; photo= says which photo, instead of {others[0]}=.",
        )
    if controls.collage and (controls.photo is not None or controls.layout is not None):
        raise UserError(
            f"collage is given together with {'photo' if controls.photo is not None else 'layout'}.",
            "A collage takes patches and layout from its own photos.",
            "Leave one of them out.",
        )
