"""Many images from a handful of inspection photos, and an honest word on how good they are.

The public names below are loaded when first used, so `import handful` is instant and imports no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handful.core.errors import UserError
    from handful.dataset.build import build_dataset
    from handful.dataset.settings import DatasetSettings
    from handful.photos.audit import audit_photos
    from handful.pipeline import compare, compare_parts, inspect
    from handful.report.build import build_report
    from handful.samples.draw import draw_samples
    from handful.samples.tasks import apply_task
    from handful.scores.evaluate import score_samples
    from handful.sealer.station import render_station
    from handful.study.inspection import InspectionSettings
    from handful.study.plan import CompareSettings
    from handful.train.loop import train_generator
    from handful.train.settings import TrainSettings

_HOMES = {
    "CompareSettings": "study.plan",
    "DatasetSettings": "dataset.settings",
    "InspectionSettings": "study.inspection",
    "TrainSettings": "train.settings",
    "UserError": "core.errors",
    "audit_photos": "photos.audit",
    "apply_task": "samples.tasks",
    "build_dataset": "dataset.build",
    "build_report": "report.build",
    "compare": "pipeline",
    "compare_parts": "pipeline",
    "draw_samples": "samples.draw",
    "inspect": "pipeline",
    "render_station": "sealer.station",
    "score_samples": "scores.evaluate",
    "train_generator": "train.loop",
}

__all__ = [
    "CompareSettings",
    "DatasetSettings",
    "InspectionSettings",
    "TrainSettings",
    "UserError",
    "apply_task",
    "audit_photos",
    "build_dataset",
    "build_report",
    "compare",
    "compare_parts",
    "draw_samples",
    "inspect",
    "render_station",
    "score_samples",
    "train_generator",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'handful' has no attribute '{name}'")
    return getattr(importlib.import_module(f"handful.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
