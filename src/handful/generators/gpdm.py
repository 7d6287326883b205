"""GPDM: the pixels are optimised until their patches are spread as the photos' are. Nothing is trained.

Paper: Elnekave and Weiss 2022, "Generating natural images with direct patch distributions matching", arXiv 2203.11862.
Good for: one photo or several at once: textures and repeated parts; other sizes and aspects.
Weak at: long parts that must stay whole (a bead breaks); softer than patches that are copied; slower than gpnn on small
    canvases, faster on large ones: time grows with the pixels, not with their square.
Differs: the projections of a step are the same for all seeds, so that a batch shares the photos' side of the work (a
    sample still depends on its seed alone, which decides its first noise); gradients are written out; distributions are
    counted in bins instead of sorted (bins=0 sorts); photos and samples of unequal size are compared by quantiles where
    the authors leave patches out at random; a canvas above max_size is drawn at that size and upsampled.
Origin: written for Handful from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor

from handful.core.config import Settings
from handful.core.seeds import torch_stream
from handful.generators.base import Facts, Generator, ImageSpec, Stateful
from handful.generators.controls import Canvas
from handful.generators.gpdm_parts.matching import draw_kernels, gradient, measure_target
from handful.generators.gpnn_parts.levels import Size, check_patch, check_photo, level_sizes, sizes_drawn
from handful.generators.layers import PhotoBank
from handful.generators.singan_parts.pyramid import resize

FACTS = Facts(least_photos=1, least_side_px=16, trains=False, source_type="algorithmicMedia")


_BETAS, _ADAM_EPSILON = (0.9, 0.999), 1e-8


class GpdmSettings(Settings):
    """The paper's procedure; defaults are the paper's unless marked."""

    photos: int = Field(1, ge=0)
    """How many photos the patches of a sample are matched with, chosen by its seed; 0: all."""
    patch_px: int = Field(7, ge=2)
    """Side of a patch."""
    projections: int = Field(64, ge=1)
    """Random directions in which patches are compared, drawn anew for each step."""
    steps: int = Field(300, ge=1)
    """Steps of Adam at each level."""
    learning_rate: float = Field(0.01, gt=0)
    """Of Adam: about how far a pixel moves in a step, where grey values span -1 to 1."""
    scale_factor: float = Field(0.85, gt=0.1, lt=1)
    """About the ratio of a level's sides to the next finer level's."""
    coarsest_px: int = Field(21, ge=2)
    """Short side of the coarsest level: larger keeps more of the photos' layout."""
    noise: float = Field(1.5, ge=0)
    """Standard deviation of the noise that a sample starts from."""
    bins: int = Field(4096, ge=0)
    """In which distributions are counted (ours); 0: sorted exactly, about three times slower."""
    max_size: int = Field(250, ge=16)
    """Long side of the finest level in pixels (ours, as SinGAN's)."""


class GpdmControls(Settings):
    """What drawing can be told."""

    size: Canvas | None = None
    """Of the samples in pixels, for example 500x300; by default the canvas. Patches keep their size."""
    noise: float | None = Field(None, ge=0)
    """What the coarsest level starts from, in place of the run's."""
    photo: int | None = Field(None, ge=0)
    """Match the patches of this photo alone: its index among the training images, from 0."""
    layout: int | None = Field(None, ge=0)
    """Start from this photo's coarsest level plus the noise, in place of noise alone; with photo= the same and little
    noise it is retargeted, with another it lends its layout."""


class Gpdm(Generator):
    """A bank of photos; a seed picks those that a sample is matched with, and the noise that it starts from."""

    settings_class = GpdmSettings
    controls_class = GpdmControls
    alone = True

    def __init__(self, settings: GpdmSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.sizes = level_sizes(
            spec.height, spec.width, 1 / settings.scale_factor, settings.coarsest_px, settings.max_size
        )
        check_patch(self.sizes, settings.patch_px, f"The canvas is {spec.width}x{spec.height}")
        self.bank = PhotoBank()

    def prepare(self, photos: Tensor) -> None:
        """Keeps the photos."""
        self.bank.fill(photos)

    def check_controls(self, controls: Settings) -> None:
        """Raises:
        UserError: no such photo, or a size whose coarsest level does not hold a patch.
        """
        assert isinstance(controls, GpdmControls)
        for word, number in (("photo", controls.photo), ("layout", controls.layout)):
            check_photo(word, number, len(self.bank.photos))
        if (size := controls.size) is not None:
            sizes = sizes_drawn(self.sizes, self.spec, size.height, size.width)
            check_patch(sizes, self.settings.patch_px, f"The samples are to be {size.width}x{size.height}")

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return self.sample_controlled(seeds, GpdmControls())

    @torch.no_grad()
    def sample_controlled(self, seeds: Sequence[int], controls: Settings) -> Tensor:
        """As `sample`, of any size; samples of the same photos are drawn side by side."""
        assert isinstance(controls, GpdmControls)
        size = controls.size or self.spec
        sizes = sizes_drawn(self.sizes, self.spec, size.height, size.width)
        chosen = [self._photos_of(seed, controls) for seed in seeds]
        images = self.bank.photos.new_empty(len(seeds), self.spec.channels, size.height, size.width)
        for numbers in set(chosen):
            places = [place for place, own in enumerate(chosen) if own == numbers]
            starts = [self._start(seeds[place], sizes[0], controls) for place in places]
            drawn = self._draw(self.bank.photos[list(numbers)], starts, sizes)
            for place, image in zip(places, drawn, strict=True):
                images[place] = resize(image, size.height, size.width)[0]
        return images

    def _start(self, seed: int, size: Size, controls: GpdmControls) -> Tensor:
        """What the coarsest level of a sample starts from, (1, c, *size)."""
        noise = self.settings.noise if controls.noise is None else controls.noise
        image = self.bank.photos.new_zeros(1, self.spec.channels, *size)
        if controls.layout is not None:
            image = resize(resize(self.bank.photos[controls.layout][None], *self.sizes[0]), *size)
        # the same noise for all channels: it changes what lies where, not the colours
        return image + noise * torch.randn(1, 1, *size, generator=torch_stream(seed, "gpdm/noise")).to(image)

    def _draw(self, photos: Tensor, images: list[Tensor], sizes: tuple[Size, ...]) -> list[Tensor]:
        """Matches images, each (1, c, h, w), with the same photos from the coarsest level to the finest."""
        for level, (photo_size, size) in enumerate(zip(self.sizes, sizes, strict=True)):
            images = [resize(image, *size) if level else image for image in images]
            self._match(resize(photos, *photo_size), images, level)
        return images

    def _match(self, photos: Tensor, images: list[Tensor], level: int) -> None:
        """All steps of one level, in place. Images never share an operation, so none depends on another."""
        set_to = self.settings
        means, squares = ([torch.zeros_like(image) for image in images] for _ in range(2))
        for step in range(set_to.steps):
            random = torch_stream(level, "gpdm/projections", step)
            kernels = draw_kernels(set_to.projections, photos.shape[1], set_to.patch_px, random).to(photos)
            target = measure_target(photos, kernels, set_to.bins)
            # Adam (Kingma and Ba 2015, algorithm 1)
            rate = set_to.learning_rate / (1 - _BETAS[0] ** (step + 1))
            spread = (1 - _BETAS[1] ** (step + 1)) ** -0.5
            for image, mean, square in zip(images, means, squares, strict=True):
                slope = gradient(image, target)
                mean.lerp_(slope, 1 - _BETAS[0])
                square.lerp_(slope.square_(), 1 - _BETAS[1])
                image.addcdiv_(mean, square.sqrt().mul_(spread).add_(_ADAM_EPSILON), value=-rate)

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> list[int] | None:
        if isinstance(controls, GpdmControls) and controls.layout is not None:
            return None
        chosen = [self._photos_of(seed, controls) for seed in seeds]
        return [numbers[0] for numbers in chosen] if all(len(numbers) == 1 for numbers in chosen) else None

    def _photos_of(self, seed: int, controls: Settings | None) -> tuple[int, ...]:
        """Numbers of the photos that a sample is matched with, in rising order."""
        if isinstance(controls, GpdmControls) and controls.photo is not None:
            return (controls.photo,)
        count = len(self.bank.photos)
        wanted = min(self.settings.photos or count, count)
        order = torch.randperm(count, generator=torch_stream(seed, "gpdm/photos"))
        return tuple(sorted(order[:wanted].tolist()))

    def modules(self) -> dict[str, Stateful]:
        return {"bank": self.bank}
