"""What is planted on the rendered station is found by the inspector on frozen features: help, none, and harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from planted import Pixels, plant_samples, rough

from handful.core.artifacts import DatasetManifest
from handful.core.images import read_png
from handful.core.workspace import Workspace
from handful.dataset.build import DatasetSettings, build_dataset
from handful.inspection.inspect import inspect_samples
from handful.inspection.result import InspectionResult
from handful.inspection.settings import InspectSettings
from handful.photos.audit import audit_photos
from handful.photos.layouts import read_labels
from handful.sealer.defects import DefectSettings
from handful.sealer.station import render_station

Samples = list[tuple[int, list[Pixels]]]
LABELS = ("good", "gap")
FAINT = DefectSettings(kinds=("gap",), strength=0.35)


def read_all(folder: Path) -> list[Pixels]:
    return [read_png(path).astype(np.uint8) for path in sorted(folder.glob("*.png"))]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Samples, Samples]:
    """A workspace of 17 training and 67 held-out photos; 120 new draws of the renderer; the training photos."""
    root = tmp_path_factory.mktemp("rendered")
    render_station(root / "photos", 84, 0, 64, 48, defects=FAINT)
    render_station(root / "new", 120, 1, 64, 48, defects=FAINT)
    work = Workspace(root / "work")
    labels = read_labels(root / "photos")
    settings = DatasetSettings(canvas="64", heldout=0.8)
    dataset = build_dataset(audit_photos(root / "photos"), work.dataset, settings, labels=labels)
    photos: Samples = [(number, []) for number in range(2)]
    for image in dataset.training(0):
        photos[LABELS.index(image.label)][1].append(read_png(work.dataset / image.file).astype(np.uint8))
    return work, [(number, read_all(root / "new" / label)) for number, label in enumerate(LABELS)], photos


def judged(work: Workspace, name: str, samples: Samples, dose: float) -> InspectionResult:
    plant_samples(work, name, samples)
    apart = Workspace(work.root.with_name(f"work {name}"))  # a plan of its own
    for stage in ("dataset", "samples"):
        getattr(apart, stage).parent.mkdir(exist_ok=True)
        getattr(apart, stage).symlink_to(getattr(work, stage), target_is_directory=True)
    linear = {"linear": {"penalties": (0.001,)}}
    values = {"inspectors": ("linear",), "doses": (dose,), "arms": ("samples", "path", "trace"), "settings": linear}
    return inspect_samples(apart, [name], InspectSettings.model_validate(values)).result


@pytest.mark.slow
def test_the_linear_inspector_finds_help_none_and_harm(
    rendered: tuple[Workspace, Samples, Samples], lite0: str
) -> None:
    work, new, photos = rendered
    assert len(DatasetManifest.read(work.dataset).training(0)) == 17
    useful = judged(work, "oracle", new, 5.0)
    assert useful.answers[0].decision == "use", useful.answers
    rows = {row.kind: row.auroc for row in useful.rows}
    assert rows["samples"] > rows["real"] + 0.05 and rows["samples"] > rows["path"] + 0.05

    random = np.random.default_rng(0)
    noise = [(label, [random.integers(0, 256, (48, 64)).astype(np.uint8) for _ in range(60)]) for label in (0, 1)]
    copies = [(label, own * 6) for label, own in photos]
    for name, useless in (("noise", noise), ("copies", copies)):
        assert judged(work, name, useless, 5.0).answers[0].decision != "use"

    harmful = judged(work, "traced", [(1, rough(new[1][1], 30.0))], 3.0)
    assert harmful.answers[0].decision == "do not use", harmful.answers  # by the arm itself: frozen features do not
    # learn this trace from photos that carry only its spectrum
