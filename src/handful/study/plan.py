"""What a comparison is asked to do, and how flags and recipes say it.

Setting name = flag = recipe key: every setting of the comparison, of the data set and of training stands flat,
under its own name, but for the seed of the split, `split_seed`. A generator has sections of its own: [settings.NAME]
for its settings, [training.NAME] for settings of training that hold for it alone, [draws.NAME] for further ways to
draw.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationInfo, field_validator

from handful.core.config import Settings, parse_settings
from handful.core.errors import UserError
from handful.dataset.settings import DatasetSettings
from handful.study.flat import arrange
from handful.train.settings import TrainSettings


class CompareSettings(Settings):
    """What `handful compare` does."""

    generators: tuple[str, ...] = Field(("patch_diffusion", "dcgan", "classic", "copies"), min_length=1)
    """Names, or paths of generator files of your own."""
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = Field((0,), min_length=1)
    """One training of each generator for each seed."""
    samples: int = Field(1000, ge=2)
    """Images drawn from each run."""
    protocol: tuple[str, ...] | None = Field(None, min_length=1)
    """Each gets a table of its own. None: heldout-v1 and training-v1, or single-v1 where there are too few photos to
    hold any out."""
    features: tuple[str, ...] | None = Field(None, min_length=1)
    """Feature spaces, a score card each: networks, and `pixels` for the scores that look at the images themselves.
    None: every network whose weights are here, and pixels."""
    bit_depth: int | None = Field(None, ge=8, le=16)
    """The camera's bit depth, where the files do not say it."""
    layout: str | None = None
    """How labels lie among the photos: classes, masks, mvtec, coco, yolo, voc, labelme, or none. None finds it."""
    jobs: int = Field(1, ge=1)
    """Processes at a time, each pinned to its share of the cores."""
    dataset: DatasetSettings = DatasetSettings()
    train: TrainSettings = TrainSettings()
    settings: dict[str, dict[str, Any]] = {}
    """Generator name -> its settings."""
    training: dict[str, dict[str, Any]] = {}
    """Generator name -> settings of training for it alone, such as a budget of its own."""
    draws: dict[str, dict[Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")], dict[str, Any]]] = {}
    """Generator name -> further sets of samples from each of its runs: name of the set -> the controls to draw with.
    Each is judged as a contestant of its own."""

    def train_settings(self, generator: str) -> TrainSettings:
        """How a generator is trained: as all are, but for what is set for it alone.

        Raises:
            UserError: a setting that training does not have, or a value out of range.
        """
        changes = self.training.get(generator, {})
        values = {**self.train.model_dump(), **changes}
        return parse_settings(TrainSettings, values, f"training of {generator}") if changes else self.train

    @field_validator("features", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("generators", "seeds", "protocol", "features")
    @classmethod
    def _each_once(cls, values: tuple[Any, ...] | None, info: ValidationInfo) -> tuple[Any, ...] | None:
        """A run that counts twice would be evidence that is not there."""
        if values is None:
            return None
        seen = [str(Path(value).resolve()) if str(value).endswith(".py") else value for value in values]
        twice = [value for number, value in enumerate(values) if seen[number] in seen[:number]]
        if twice:
            raise UserError(
                f"{info.field_name} names {twice[0]} more than once: {', '.join(map(str, values))}.",
                "Each may stand there once.",
                f"Remove the second {twice[0]}.",
            )
        return values


_PARTS: dict[str, type[Settings]] = {"dataset": DatasetSettings, "train": TrainSettings}


def arrange_settings(
    values: Mapping[str, Any], where: str, generator_settings: Mapping[str, Mapping[str, Any]] | None = None
) -> CompareSettings:
    """Flat names and values as CompareSettings.

    Args:
        values: setting name -> value; lists where the setting is a list.
        where: what they come from, for errors: "demo".
        generator_settings: generator -> settings that go before those of `values`.

    Raises:
        UserError: an unknown name (with the nearest one) or a value out of range.
    """
    arranged = parse_settings(CompareSettings, arrange(values, where, CompareSettings, _PARTS), where)
    merged = dict(arranged.settings)
    for generator, changes in (generator_settings or {}).items():
        merged[generator] = {**merged.get(generator, {}), **changes}
    return arranged.model_copy(update={"settings": merged})
