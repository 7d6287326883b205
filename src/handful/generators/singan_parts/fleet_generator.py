"""What generators share that train a pyramid of networks for each photo: whose turn it is, who draws, at what size."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn

from handful.core.config import Settings
from handful.core.errors import UserError
from handful.core.memory import check_memory
from handful.core.seeds import torch_stream
from handful.generators.base import Generator
from handful.generators.singan_parts.fleet import Fleet, Position
from handful.generators.singan_parts.pyramid import resize
from handful.generators.singan_parts.tasks import drawing_bytes

_DRAWN_AT_ONCE = 4
_BLOCK_IMAGES = 16  # whoever draws a set holds so many finished images

Scene = TypeVar("Scene")
"""What all iterations of a stage share."""


class FleetGenerator(Generator, Generic[Scene]):
    """A fleet: one member a photo, and the networks of the member in training. A level is a scale, or a stage.

    A subclass sets `settings` (with `start_scale` and `max_size`), `sizes` of its levels as (height, width), coarsest
    first, `drawn_width` and `networks` before it asks anything of this class.
    """

    name: ClassVar[str]
    """Of the generator; its random streams are named for it."""
    level: ClassVar[str]
    """What the user calls a level."""

    settings: Any
    sizes: Sequence[tuple[int, int]]
    drawn_width: int
    """Channels of the finest level's maps."""
    networks: nn.Module
    """Those of the member in training that draw."""
    fleet: Fleet
    position: Position

    def begin_fleet(self, seed: int) -> None:
        """A fleet of no photos yet."""
        self.fleet = Fleet()
        self.position = Position(seed)
        self._seen: tuple[int, Tensor, Scene] | None = None

    def check_levels(self, receptive_field_px: int) -> None:
        """Raises:
        UserError: the finest level is narrower than a patch, or the settings start at a level that does not exist.
        """
        height, width = self.sizes[-1]
        if min(height, width) < receptive_field_px:
            raise UserError(
                f"The canvas {self.spec.width}x{self.spec.height} becomes {width}x{height} at {self.name}'s max_size "
                f"{self.settings.max_size}.",
                f"Its finest {self.level} needs at least {receptive_field_px} pixels on the short side.",
                "Raise max_size, or build the data set again with a less narrow --canvas.",
            )
        self.check_start(self.settings.start_scale)

    def check_start(self, start_scale: int) -> None:
        """Raises:
        UserError: there is no such level.
        """
        if not 0 <= start_scale < len(self.sizes):
            raise UserError(
                f"start_scale is {start_scale}.",
                f"This canvas has {len(self.sizes)} {self.level}(s), so start_scale goes from 0 to "
                f"{len(self.sizes) - 1}.",
                "Change start_scale, or build the data set again with a larger --canvas.",
            )

    def check_member(self, member: int) -> None:
        """Raises:
        UserError: there is no such photo, or its turn has not come.
        """
        ready = self.position.stage // len(self.sizes) + 1
        if not 0 <= member < ready:
            raise UserError(
                f"photo is {member}.",
                f"Of {len(self.fleet.photos)} photo(s), {ready} can be drawn: 0 to {ready - 1}.",
                "Choose one of those, or train with a larger --budget.",
            )

    def prepare(self, photos: Tensor) -> None:
        """Keeps every photo, at the finest level's size."""
        self.fleet.fill(resize(photos, *self.sizes[-1]), self.networks, len(self.sizes))
        self.begin(0, 0)

    def advance(self, progress: float) -> None:
        """Goes to the next stage, at this share of the budget."""
        self.position.advance(progress)
        member, level = divmod(self.position.stage, len(self.sizes))
        if not level:
            self.fleet.keep(self.networks)
        self.begin(member, level)

    @abstractmethod
    def begin(self, member: int, level: int) -> None:
        """Makes the networks ready to be trained at this level."""

    def look(self) -> Scene:
        """The scene of the present stage."""
        stage, photos = self.position.stage, self.fleet.photos
        if self._seen is None or self._seen[0] != stage or self._seen[1] is not photos:  # another checkpoint's
            self._seen = stage, photos, self.scene(*divmod(stage, len(self.sizes)))
        return self._seen[2]

    @abstractmethod
    def scene(self, member: int, level: int) -> Scene:
        """It follows from the checkpoint and is therefore not part of it."""

    def photo(self, member: int, level: int) -> Tensor:
        """A member's photo at a level, (1, c, h, w)."""
        return resize(self.fleet.photos[member : member + 1], *self.sizes[level])

    def join(self, members: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        """As if these had been trained in turn."""
        for member, states in enumerate(members):
            if member:
                self.fleet.keep(self.networks)
            for name, module in self.modules().items():
                if name != "fleet":
                    module.load_state_dict(dict(states[name]))
            self.fleet.noise_weights[member] = states["fleet"]["noise_weights"][0]
        self.position.stage += (len(members) - 1) * len(self.sizes)
        self._seen = None

    def purpose(self, member: int) -> str:
        """Name of a member's random streams."""
        return f"{self.name}/{self.fleet.fingerprint(member)}"

    @property
    def ready(self) -> int:
        """Members that samples are drawn from, counted from the first.

        Before training has ended, members whose turn has not come are left out; the one in training is left out until
        it has reached its finest level, unless it is the first: then the levels there are draw, and the rest is
        upsampling.
        """
        done = len(self.fleet.trained)
        at_finest = self.position.stage % len(self.sizes) == len(self.sizes) - 1
        return done + (at_finest or not done)

    def sources(self, seeds: Sequence[int], controls: Settings | None = None) -> list[int]:
        """The member that each seed is drawn from."""
        if (photo := getattr(controls, "photo", None)) is not None:
            return [photo] * len(seeds)
        ready, purpose = self.ready, f"{self.name}/member"
        return [int(torch.randint(ready, (), generator=torch_stream(seed, purpose))) for seed in seeds]

    def sample(self, seeds: Sequence[int]) -> Tensor:
        """Draws each seed from a member of its own choice, among those that are `ready`."""
        assert self.controls_class is not None
        return self.sample_controlled(seeds, self.controls_class())

    @torch.no_grad()
    def sample_controlled(self, seeds: Sequence[int], controls: Settings) -> Tensor:
        """As `sample`, of any size and from any level."""
        height, width = self.size_of(controls)
        start = getattr(controls, "start_scale", None)
        start = self.settings.start_scale if start is None else start
        members, at_once = self.sources(seeds, controls), self._at_once(height, width)
        images = torch.empty(len(seeds), self.spec.channels, height, width, device=self.device)
        for member in set(members):
            places = [place for place, chosen in enumerate(members) if chosen == member]
            for first in range(0, len(places), at_once):
                some = places[first : first + at_once]
                own = [seeds[place] for place in some]
                images[some] = self.draw_member(member, own, start, (height, width), controls)
        return images

    @abstractmethod
    def draw_member(
        self, member: int, seeds: Sequence[int], start_scale: int, size: tuple[int, int], controls: Settings
    ) -> Tensor:
        """Images (len(seeds), c, *size) of one member, which vary from `start_scale` on; without gradients."""

    def check_controls(self, controls: Settings) -> None:
        """Raises:
        UserError: there is no such level, or samples of this size are beyond memory.
        """
        if (start := getattr(controls, "start_scale", None)) is not None:
            self.check_start(start)
        height, width = self.size_of(controls)
        finest_px = math.prod(self.sizes_for(height, width)[-1])
        check_memory(
            drawing_bytes(self._at_once(height, width), finest_px, self.spec.channels, self.drawn_width)
            + drawing_bytes(_BLOCK_IMAGES, height * width, self.spec.channels, 0),
            f"A sample of {width}x{height} px",
            f"Ask for fewer pixels with --set size=; the canvas has {self.spec.height * self.spec.width}.",
            self.device,
        )

    def size_of(self, controls: Settings) -> tuple[int, int]:
        """(height, width) of the samples."""
        size = getattr(controls, "size", None) or self.spec
        return size.height, size.width

    def sizes_for(self, height: int, width: int) -> list[tuple[int, int]]:
        """The sizes of all levels when the canvas is stretched to `height` x `width`."""
        down, across = height / self.spec.height, width / self.spec.width
        return [(max(1, round(rows * down)), max(1, round(columns * across))) for rows, columns in self.sizes]

    def _at_once(self, height: int, width: int) -> int:
        """Images of this size that are drawn together: as many pixels as at the canvas, where they allow it."""
        return max(1, _DRAWN_AT_ONCE * self.spec.height * self.spec.width // max(height * width, 1))
