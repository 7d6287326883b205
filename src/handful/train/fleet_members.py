"""The photos of a fleet, each with its own run and its share of the budget."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from handful.core.artifacts import RunManifest
from handful.generators.base import Facts
from handful.train.budget import Budget
from handful.train.run_folder import RunFolder
from handful.train.settings import TrainSettings
from handful.train.training_set import TrainingSet

MEMBERS = "members"
"""Folder of their runs, below that of the fleet's."""


@dataclass(frozen=True)
class Member:
    """One photo's training."""

    index: int
    run: RunManifest
    folder: Path
    source: TrainingSet
    """Of this photo alone."""
    settings: TrainSettings
    facts: Facts


def plan_members(
    run: RunManifest,
    folder: RunFolder,
    source: TrainingSet,
    settings: TrainSettings,
    facts: Facts,
    budget: Budget,
    processes: int,
) -> list[Member]:
    """One member a photo, each with its share of the budget."""
    photos, members = len(source.photos), []
    for index in range(photos):
        if budget.steps is not None:
            edges = [math.ceil(place * budget.steps / photos) for place in (index, index + 1)]
            share = f"{edges[1] - edges[0]}steps"
        else:
            share = f"{(budget.seconds or 0) * processes / photos:.3f}s"
        members.append(
            Member(
                index=index,
                run=run.model_copy(
                    update={
                        "run_id": f"{run.run_id}/photo-{index:03d}",
                        "training_images": 1,
                        "train_settings": run.train_settings | {"budget": share},
                    }
                ),
                folder=folder.root / MEMBERS / f"photo-{index:03d}",
                source=replace(source, photos=source.photos[index : index + 1].clone()),
                # one preview image: that it is finite is looked at, and nothing more can be told of one photo
                settings=settings.model_copy(
                    update={"budget": share, "forecast": False, "threads": settings.threads or 1, "preview_images": 1}
                ),
                facts=facts,
            )
        )
    return members
