"""A kept score is known by the code that made it: its own file, and ours that it imports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handful.core import registry
from handful.features.image_set import ImageSet
from handful.scores import kept
from handful.scores.base import ImageSets


def made(folder: Path, name: str) -> set[str]:
    """The files that the cache holds of a score on a few images after it was asked."""
    pixels = np.random.default_rng(0).integers(0, 255, (6, 24, 24)).astype(np.uint8)
    names = tuple(map(str, range(6)))
    images = ImageSet(names, names, 8, pixels.__getitem__, None, 1)
    sets = ImageSets(images, images, images, images, (None,) * 6, lambda _: {}, lambda *_: None)  # type: ignore[arg-type, return-value]
    kept.score_images(name, sets, folder, "cpu")
    return {path.name for path in folder.glob(f"{name}-*")}


def test_code_is_the_file_and_all_of_ours_that_it_imports_also_through_others() -> None:
    names = {path.stem for path in kept.code_of(registry.find("scores", "gate"))}
    assert {"gate", "alike", "planted", "binomial", "seeds", "image_set"} <= names
    assert "swd" not in names and "evaluate" not in names


def test_a_change_in_a_module_that_a_score_imports_computes_it_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: made(tmp_path, name) for name in ("swd", "verbatim")}
    assert all(made(tmp_path, name) == files for name, files in before.items()), "nothing changed"
    unchanged = kept._sha256
    monkeypatch.setattr(kept, "_sha256", lambda path: "new" if path.stem == "transport" else unchanged(path))
    assert made(tmp_path, "swd") > before["swd"], "swd imports transport"
    assert made(tmp_path, "verbatim") == before["verbatim"], "verbatim does not"
