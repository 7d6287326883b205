"""The reviewer's word is kept, understood, and heeded."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from planted import INSPECTOR, draw, new_draws, plant_photos, plant_samples

from handful.core.artifacts import read_sample_rows
from handful.core.errors import UserError
from handful.core.workspace import Workspace
from handful.inspection.blind import ANSWERS, KEY, start_blind_test
from handful.inspection.inspect import REVIEWS, inspect_samples
from handful.inspection.review import TABLE, read_review, start_review
from handful.inspection.settings import InspectSettings


@pytest.fixture
def reviewed(tmp_path: Path) -> tuple[Workspace, Path, Path]:
    work = plant_photos(tmp_path, test=(10, 10))
    name = plant_samples(work, "oracle", new_draws(30))
    out = work.inspection / REVIEWS / name
    start_review(work.samples / name, out)
    return work, work.samples / name, out


def reject(out: Path, *numbers: int, delimiter: str = ",") -> None:
    lines = (out / TABLE).read_text().splitlines()
    for number in numbers:
        lines[number] = lines[number].replace(",yes,,", ",no,blurred,")
    (out / TABLE).write_text("\n".join(lines).replace(",", delimiter) + "\n")


def test_sheets_show_every_sample_with_its_number(reviewed: tuple[Workspace, Path, Path]) -> None:
    _, _, out = reviewed
    assert [path.name for path in sorted(out.glob("sheet-*.png"))] == ["sheet-01.png", "sheet-02.png"]
    page = (out / "index.html").read_text()
    assert "60 images" in page and "sheet-02.png" in page and "review.csv" in page
    sheet = np.asarray(Image.open(out / "sheet-01.png").convert("L"))
    assert sheet.std() > 20


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_rejected_samples_stay_and_are_left_out_of_the_inspection(
    reviewed: tuple[Workspace, Path, Path], delimiter: str
) -> None:
    work, samples, out = reviewed
    reject(out, 1, 2, 40, delimiter=delimiter)
    review = start_review(samples, out)
    assert (review.accepted, review.rejected) == (57, 3)
    assert len(list(samples.glob("*.png"))) == 60
    settings = InspectSettings(inspectors=(INSPECTOR,), arms=("only",), doses=(57 / 36,), seeds=(0,))
    found = inspect_samples(work, [samples.name], settings)
    (row,) = [row for row in found.result.rows if row.kind == "only"]
    assert row.samples == 57
    assert any("oracle: 3 samples rejected" in note for note in found.result.notes)


@pytest.mark.parametrize(
    ("old", "new", "what"), [(",yes,,", ",maybe,,", "'maybe'"), (",yes,,", ",no,,", "'no' without a reason")]
)
def test_an_answer_that_means_nothing_is_refused_with_its_line(
    reviewed: tuple[Workspace, Path, Path], old: str, new: str, what: str
) -> None:
    _, samples, out = reviewed
    (out / TABLE).write_text((out / TABLE).read_text().replace(old, new, 1))
    with pytest.raises(UserError) as refused:
        start_review(samples, out)
    assert what in refused.value.what and "000000.png" in refused.value.what and "number 1" in refused.value.do


def test_samples_drawn_after_the_review_need_an_answer(reviewed: tuple[Workspace, Path, Path]) -> None:
    work, samples, out = reviewed
    rows = (out / TABLE).read_text().splitlines()
    (out / TABLE).write_text("\n".join(rows[:-5]) + "\n")
    with pytest.raises(UserError) as refused:
        inspect_samples(work, [samples.name], InspectSettings(inspectors=(INSPECTOR,), seeds=(0,)))
    assert "drawn after its set was reviewed" in refused.value.what and "55 samples" in refused.value.allowed
    start_review(samples, out)
    review = read_review(out)
    assert review is not None and len(review.answers) == 60


def blind(work: Workspace, samples: Path, out: Path, count: int = 40) -> object:
    return start_blind_test(samples, work.dataset, count, out / "blind")


def answer(out: Path, right: int) -> None:
    truth = json.loads(base64.b64decode((out / "blind" / KEY).read_bytes()))["truth"]
    other = {"photo": "sample", "sample": "photo"}
    lines = (out / "blind" / ANSWERS).read_text().splitlines()
    for number, word in enumerate(truth, start=1):
        lines[number] = f"{number},{word if number <= right else other[word]},"
    (out / "blind" / ANSWERS).write_text("\n".join(lines) + "\n")


def test_a_blind_test_is_marked_with_exact_limits(reviewed: tuple[Workspace, Path, Path]) -> None:
    work, samples, out = reviewed
    assert blind(work, samples, out) is None
    assert blind(work, samples, out) is None  # no answer yet: nothing is said, nothing begins anew
    answer(out, 30)
    result = start_blind_test(samples, work.dataset, 40, out / "blind")
    assert result is not None and (result.right, result.trials) == (30, 40)
    assert (result.low, result.high) == pytest.approx((0.588, 0.873), abs=0.001)
    assert "tells samples from photos" in result.words


def test_nothing_in_a_blind_image_gives_it_away(reviewed: tuple[Workspace, Path, Path]) -> None:
    work, samples, out = reviewed
    blind(work, samples, out)
    images = sorted((out / "blind").glob("image-*.png"))
    assert len(images) == 40
    for path in images:
        with Image.open(path) as opened:
            assert not opened.info and opened.size == (10, 10) and opened.mode == "L"
    truth = json.loads(base64.b64decode((out / "blind" / KEY).read_bytes()))["truth"]
    assert truth.count("photo") == 20
    assert not any(
        row.pixels_sha256 in (out / "blind" / ANSWERS).read_text() for row in read_sample_rows(samples).values()
    )


def test_a_key_changed_after_the_answers_is_refused(reviewed: tuple[Workspace, Path, Path]) -> None:
    work, samples, out = reviewed
    blind(work, samples, out)
    answer(out, 40)
    key = out / "blind" / KEY
    swapped = base64.b64decode(key.read_bytes()).replace(b"photo", b"phota", 1)
    key.write_bytes(base64.b64encode(swapped))
    with pytest.raises(UserError) as refused:
        blind(work, samples, out)
    assert "not the key" in refused.value.what


def test_a_blind_test_needs_enough_images(tmp_path: Path) -> None:
    work = plant_photos(tmp_path)
    name = plant_samples(work, "few", [(1, draw(1, 8, 7))])
    with pytest.raises(UserError) as refused:
        start_blind_test(work.samples / name, work.dataset, 40, tmp_path / "blind")
    assert "there are 8 samples" in refused.value.what and "--blind 16" in refused.value.do
