"""Passports on disk: one beside each sample, naming training photos alone; a photo's samples can be withdrawn."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_draw import make_run

from handful.cli import app
from handful.core.artifacts import PASSPORTS, DatasetManifest, PassportLegend, read_sample_rows
from handful.core.errors import UserError
from handful.core.images import png_bytes
from handful.core.seeds import numpy_stream
from handful.generators.patch_diffusion_parts.passport import rebuild
from handful.generators.restore import restore_run
from handful.samples.draw import draw_samples
from handful.samples.withdraw import find_samples_of


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with 14 photos, some held out, a run of patch_diffusion and 6 samples of it."""
    root = tmp_path_factory.mktemp("work")
    photos = root / "photos"
    photos.mkdir()
    base = np.add.outer(np.arange(32), np.arange(40)) % 16 * 8 + 60
    for number in range(14):
        own = np.kron(numpy_stream(number, "test/own").integers(-40, 40, (4, 5)), np.ones((8, 8), int))
        (photos / f"part {number:02}.png").write_bytes(png_bytes((base + own).astype(np.uint8), 8))
    out = str(root / "work")
    assert app.main(["dataset", str(photos), "--out", out, "--canvas", "40x32", "--heldout", "0.3"]) == 0
    assert app.main(["train", "patch_diffusion", "--work", out]) == 0
    (run,) = (root / "work/3_train").glob("patch_diffusion-*")
    assert app.main(["sample", str(run), "--count", "6"]) == 0
    return root / "work"


def set_of(work: Path) -> Path:
    (folder,) = (work / "4_samples").glob("patch_diffusion-*")
    return folder


def test_every_sample_has_a_passport_that_rebuilds_it(work: Path) -> None:
    folder = set_of(work)
    generator, _ = restore_run(work / "3_train" / folder.name)
    rows = read_sample_rows(folder)
    assert len(rows) == 6
    for row in rows.values():
        assert row.passport is not None and row.passport.drew_on
        with Image.open(folder / row.passport.file) as picture:
            facts, maps = json.loads(picture.info["handful passport"]), np.asarray(picture)
        again = (rebuild(maps, facts, generator.sampler())[0, 0].numpy() + 1) * 127.5
        with Image.open(folder / row.file) as picture:
            assert np.abs(again - np.asarray(picture)).mean() < 1


def test_a_held_out_photo_never_appears(work: Path) -> None:
    data = DatasetManifest.read(work / "2_dataset")
    legend = set(PassportLegend.read(set_of(work) / PASSPORTS).photos)
    assert legend == {image.pixels_sha256 for image in data.training(0)}
    heldout = data.heldout(0)
    assert heldout and not legend & {image.pixels_sha256 for image in heldout}
    for image in heldout:
        (found,) = find_samples_of(image.photo, work)
        assert found.files == () and not found.photo_in_training and found.has_passports


def test_a_checkpoint_of_other_photos_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", "patch_diffusion")  # its manifest names photos that its checkpoint lacks
    with pytest.raises(UserError) as caught:
        draw_samples(run, tmp_path / "set", count=1)
    assert "3 picture(s)" in caught.value.what and "1 training photos" in caught.value.allowed


def test_withdraw_lists_exactly_the_samples_that_drew_on_a_photo(
    work: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, folder = DatasetManifest.read(work / "2_dataset"), set_of(work)
    legend, rows = PassportLegend.read(folder / PASSPORTS).photos, read_sample_rows(folder)
    counts = []
    for image in data.training(0):
        number = legend.index(image.pixels_sha256)
        wanted = [row.file for row in rows.values() if row.passport and number in row.passport.drew_on]
        capsys.readouterr()
        assert app.main(["withdraw", image.photo, "--samples", str(work), "--json"]) == 0
        (found,) = json.loads(capsys.readouterr().out)["sets"]
        assert found["files"] == wanted and found["trained_on"] and found["total"] == 6
        counts.append(len(wanted))
    assert sum(counts) > 0 and min(counts) < 6  # not all samples of all photos
    assert app.main(["withdraw", image.pixels_sha256[:8], "--samples", str(folder)]) == 0
    assert f"{counts[-1]} of 6" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("photo", "place", "what", "do"),
    [("part 99.png", "", "part 99.png", "part"), ("part 01.png", "3_train", "no samples", "handful sample")],
)
def test_what_cannot_be_withdrawn_is_explained(work: Path, photo: str, place: str, what: str, do: str) -> None:
    with pytest.raises(UserError) as caught:
        find_samples_of(photo, work / place)
    assert what in caught.value.what and do in caught.value.do


def test_a_lost_passport_is_written_again(work: Path, tmp_path: Path) -> None:
    folder = set_of(work)
    run = work / "3_train" / folder.name
    draw_samples(run, tmp_path / "set", count=2)
    lost = tmp_path / "set" / PASSPORTS / "000001.png"
    before = lost.read_bytes()
    lost.unlink()
    draw_samples(run, tmp_path / "set", count=2)
    assert lost.read_bytes() == before
