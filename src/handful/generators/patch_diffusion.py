"""Patch diffusion: the closed-form denoiser over the photos' own patches. Nothing is trained.

Paper: the posterior mean over an image's patches in place of a network (arXiv 2606.04299); trained convolutional
    diffusion models behave like such patch machines, a many-image and position-bound form included (Kamb and Ganguli
    2024, arXiv 2412.20292).
Good for: a fixed camera from about 5 photos on: sharp samples at any canvas within seconds of the first photo, and a
    passport that says which photo every place of a sample came from. Photos of different views, or one photo: layouts
    of warped photos with the detail of others.
Weak at: anything that no photo shows: it recombines. Under 10 photos of one view it copies much. Of different views,
    everything coarser than 4 px is one warped photo's.
Differs: the light of a whole sample is drawn first, as a mixture of photos whose spread is set to that of the photos,
    and those photos are kept out of the finer levels; photos are registered first and their light is taken out; coarse
    to fine with the finished coarser level kept at every step; a photo far from the mean is not held back while z is
    noisy. Where photos do not share a view, the photos of the formula are photos laid onto a warped one, each only
    where it agrees. All of that is ours.
Origin: written for Handful from the formula.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from pydantic import Field
from torch import Tensor

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.memory import check_memory, free_bytes
from handful.generators.base import Facts, Generator, ImageSpec, Passport, Stateful
from handful.generators.patch_diffusion_parts.aligned import AlignedSampler, Variant
from handful.generators.patch_diffusion_parts.aligned_photos import AlignedPhotos
from handful.generators.patch_diffusion_parts.candidate_passport import rebuild as rebuild_candidates
from handful.generators.patch_diffusion_parts.candidate_passport import write_passport as write_candidate_passport
from handful.generators.patch_diffusion_parts.candidate_path import CandidateSampler
from handful.generators.patch_diffusion_parts.candidate_path import drawing_bytes as candidates_drawing_bytes
from handful.generators.patch_diffusion_parts.controls import PatchDiffusionControls, read_field, read_start
from handful.generators.patch_diffusion_parts.memory_plan import (
    MemoryPlan,
    choose_plan,
    drawing_bytes,
    preparing_bytes,
)
from handful.generators.patch_diffusion_parts.passport import rebuild, write_passport
from handful.generators.patch_diffusion_parts.paths import (
    Path,
    PathSetting,
    check_controls_of_path,
    check_path,
    choose_path,
    describe_path,
)
from handful.generators.patch_diffusion_parts.photo_store import PhotoStore
from handful.generators.patch_diffusion_parts.pyramid import Pyramid

FACTS = Facts(least_photos=1, least_side_px=16, trains=False, source_type="algorithmicMedia")


class PatchDiffusionSettings(Settings):
    """How samples are drawn. All defaults are ours, chosen on some places of a ball screw and judged on others."""

    path: PathSetting = "auto"
    """aligned: photos of one view, place by place; candidates: photos of different views, or one photo, each sample
    laid out as a warped photo is; auto: as the photos' measured alignment says."""
    patch_px: int = Field(13, ge=3)
    """Side of the patches that are compared, in pixels of each level: small ones vary more, large ones copy more."""
    mixture_photos: int = Field(2, ge=1)
    """Photos that the light of a sample is mixed from, no two of them near-duplicates; as many more for the rest of it
    where two ways in which photos differ explain most. With more, what one alone shows comes out fainter."""
    mixture_nearest: int | None = Field(None, ge=1)
    """Among how many photos nearest to the first the others of a mixture are chosen; None: all. Few keep the light
    likely, and copy."""
    mixture_most: float = Field(0.6, gt=0, le=1)
    """Largest share of one photo in a mixture (0.5 of two: half each): at small canvases the mixture is what shows, and
    one photo with more would be copied."""
    steps: int = Field(4, ge=1)
    """Denoising steps at each level."""
    fairness: float = Field(0.4, ge=0, lt=1)
    """How far a photo's distance from the mean is not held against it before the last step; 0 is the plain posterior,
    which draws from unusual photos too seldom."""
    temperature: float = Field(1.0, gt=0, le=100)
    """How undecided the choice of photos stays before the last step: below 1, the posterior's, samples vary more, and
    above they copy more."""
    exclude_mixed: bool = True
    """Keep the photos of the mixture, and their near-duplicates, out of the finer levels (from 10 photos on), so that
    none is copied."""
    align: bool = True
    """Register the photos first."""
    drop_outliers: bool = True
    """Draw nothing from photos whose light is unlike every other's (from 8 photos on)."""
    memory_mb: int | None = Field(None, ge=1)
    """Most memory that preparing and drawing may take beyond the photos handed over, in MB of 10^6 bytes; None: what is
    free. With less, photos are read anew at every step: the same samples, more slowly."""


class PatchDiffusion(Generator):
    """Photos kept as they are; everything else follows from them when the first sample is asked for."""

    settings_class = PatchDiffusionSettings
    controls_class = PatchDiffusionControls
    alone = True

    def __init__(self, settings: PatchDiffusionSettings, spec: ImageSpec, seed: int) -> None:
        super().__init__(settings, spec, seed)
        self.settings = settings
        self.store = PhotoStore()
        self._sampler: AlignedSampler | None = None
        self._sampler_of: tuple[Tensor, Variant] | None = None
        self._candidates: CandidateSampler | None = None
        self._passports: dict[int, Passport] = {}
        self._masks: dict[int, Tensor] = {}

    def prepare(self, photos: Tensor) -> None:
        """Registers and keeps the photos.

        Raises:
            UserError: that or drawing would take more memory than is free, or than is set.
        """
        check_path(self.settings.path, len(photos))
        n, channels, height, width = photos.shape
        self._check_memory(preparing_bytes(n, channels, height, width), photos.shape, "Preparing")
        self.store.fill(photos, self.settings.align, self.settings.drop_outliers)
        self._check_memory(self.drawing_bytes(), photos.shape, "Drawing")

    def prepare_masks(self, masks: Tensor) -> None:
        self.store.masks = masks.detach().clone()

    def sample(self, seeds: Sequence[int]) -> Tensor:
        return self.sample_controlled(seeds, PatchDiffusionControls())

    def check_controls(self, controls: Settings) -> None:
        """Raises:
        UserError: no such photo or file, a mask that does not fit, controls that exclude each other.
        """
        assert isinstance(controls, PatchDiffusionControls)
        check_controls_of_path(controls, self.path)
        read_start(controls, self.store)
        read_field(controls, self.store)

    @torch.no_grad()
    def sample_controlled(self, seeds: Sequence[int], controls: Settings) -> Tensor:
        """As `sample`, varied more or less, from a photo, in a region of it, or under a given light."""
        assert isinstance(controls, PatchDiffusionControls)
        check_controls_of_path(controls, self.path)
        if self.path == "candidates":
            return self._sample_candidates(seeds, controls)
        start, field = read_start(controls, self.store), read_field(controls, self.store)
        sampler = self.sampler(controls)
        images: list[Tensor] = []
        self._passports, self._masks = {}, {}
        for seed in seeds:
            drawing = sampler.draw(seed, start, field)
            if drawing.mask is not None:
                self._masks[seed] = drawing.mask
            images.append(drawing.image)
            self._passports[seed] = write_passport(drawing, self.store.numbers, sampler.novelty(drawing.image))
        return torch.cat(images)

    def _sample_candidates(self, seeds: Sequence[int], controls: PatchDiffusionControls) -> Tensor:
        sampler = self.candidate_sampler(controls.patch_px)
        drawings = {seed: sampler.draw(seed) for seed in seeds}
        self._passports = {seed: write_candidate_passport(drawing, sampler) for seed, drawing in drawings.items()}
        self._masks = {seed: drawing.mask for seed, drawing in drawings.items() if drawing.mask is not None}
        return torch.cat([drawings[seed].image for seed in seeds])

    @property
    def path(self) -> Path:
        """How samples are drawn from the photos that `prepare` saw."""
        return choose_path(self.settings.path, self.store)

    def notes(self) -> tuple[str, ...]:
        memory = f"drawing takes about {self.drawing_bytes() / 1e6:,.0f} MB of memory"
        pyramid, *_ = self._measures()
        if self.path == "aligned" and self._plan().kept_levels < pyramid.halvings:
            memory += "; to stay within it photos are read anew at every step, which is slower"
        return (*describe_path(self.settings.path, self.store), memory)

    def masks(self) -> Mapping[int, Tensor]:
        return self._masks

    def passports(self) -> Mapping[int, Passport]:
        return self._passports

    def passport_photos(self) -> Iterable[Tensor]:
        return (self.store.photo(number)[0] for number in range(len(self.store.pixels)))

    def rebuild(self, passport: Passport) -> Tensor:
        """The sample (1, c, h, w) from its passport alone, whatever dials it was drawn with: within a grey level of 8
        bits nearly everywhere."""
        if passport.facts.get("path") == "candidates":
            return rebuild_candidates(passport.picture, passport.facts, self.candidate_sampler())
        return rebuild(passport.picture, passport.facts, self.sampler())

    def sampler(self, controls: PatchDiffusionControls | None = None) -> AlignedSampler:
        """The prepared photos; built at the first call, and again for other dials or other photos."""
        variant = Variant(**self.settings.model_dump(include=set(Variant.__dataclass_fields__)))
        if controls is not None:
            dials = controls.model_dump(include=set(Variant.__dataclass_fields__), exclude_none=True)
            variant = replace(variant, **dials)
        if (
            self._sampler is None
            or self._sampler_of is None
            or self._sampler_of[0] is not self.store.pixels
            or (self._sampler_of[1] != variant)
        ):
            self._sampler = None  # frees its memory before the next is built
            self._sampler = AlignedSampler(AlignedPhotos(self.store), variant, self._plan(variant.patch_px))
            self._sampler_of = self.store.pixels, variant
        return self._sampler

    def candidate_sampler(self, patch_px: int | None = None) -> CandidateSampler:
        """As `sampler`, for the other path."""
        patch_px = self.settings.patch_px if patch_px is None else patch_px
        sampler = self._candidates
        if sampler is None or sampler.pixels is not self.store.pixels or sampler.patch_px != patch_px:
            sampler = self._candidates = None  # frees its memory before the next is built
            sampler = self._candidates = CandidateSampler(self.store, patch_px, self.settings.steps)
        return sampler

    def _plan(self, patch_px: int | None = None) -> MemoryPlan:
        """The fastest way to draw from aligned photos within the memory that there is."""
        limit = self.settings.memory_mb
        allowed = free_bytes(self.device) if limit is None else limit * 10**6 - self.store.pixels.nbytes
        return choose_plan(allowed, *self._measures(patch_px))

    def drawing_bytes(self) -> int:
        """What drawing takes of memory, the photos as they are stored included."""
        if self.path == "candidates":
            return self.store.pixels.nbytes + candidates_drawing_bytes(*self.store.pixels.shape)
        return self.store.pixels.nbytes + drawing_bytes(self._plan(), *self._measures())

    def _measures(self, patch_px: int | None = None) -> tuple[Pyramid, int, int, int]:
        count, channels, height, width = self.store.pixels.shape
        return Pyramid.of(height, width), count, channels, patch_px or self.settings.patch_px

    def _check_memory(self, needed: int, photos: Sequence[int], task: str) -> None:
        """Refuses, before it starts, what would take more memory than is set or free."""
        what = f"{task} {photos[0]} photos of {photos[3]}x{photos[2]} px by patch_diffusion"
        do = "Build the data set again with a smaller --canvas or fewer photos"
        limit = self.settings.memory_mb
        if limit is not None and needed > limit * 10**6:
            raise UserError(
                f"{what} needs about {needed / 1e6:,.0f} MB of memory at the least.",
                f"memory_mb allows {limit:,} MB.",
                f"{do}, or raise memory_mb to {math.ceil(needed / 1e6)}.",
            )
        check_memory(needed, what, f"{do}, or close other programs.", self.device)

    def modules(self) -> dict[str, Stateful]:
        return {"store": self.store}
