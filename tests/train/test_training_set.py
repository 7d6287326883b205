"""No held-out pixel enters a training, told by the pixels and not by the names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from handful.core.artifacts import DatasetManifest
from handful.core.errors import UserError
from handful.dataset.build import build_dataset
from handful.dataset.settings import DatasetSettings
from handful.photos.audit import audit_photos
from handful.train.training_set import read_training_set


def test_a_training_image_with_the_pixels_of_a_held_out_one_is_refused(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for number in range(6):
        Image.fromarray(random.integers(0, 255, (24, 32), dtype=np.uint8)).save(tmp_path / f"photos/{number}.png")
    folder = tmp_path / "2_dataset"
    manifest = build_dataset(audit_photos(tmp_path / "photos"), folder, DatasetSettings(canvas="32"))
    assert len(read_training_set(folder, 0).pixels) == 4
    leaked = manifest.heldout(0)[0].model_copy(update={"fold": None, "photo": "renamed.png"})
    DatasetManifest.write(manifest.model_copy(update={"images": (*manifest.images, leaked)}), folder)
    with pytest.raises(UserError) as caught:
        read_training_set(folder, 0)
    assert "1 training image(s) of fold 0 have the pixels of a held-out one" in caught.value.what
    assert leaked.file in caught.value.what and "handful dataset" in caught.value.do
