"""Verbatim areas: as large as what was planted, and as brute force finds them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from handful.core.errors import UserError
from handful.core.images import pixels_sha256
from handful.features.image_set import ImageSet
from handful.scores import verbatim
from handful.scores.base import ImageSets
from handful.scores.verbatim import REACH_PX, verbatim_shares

HEIGHT, WIDTH = 56, 72


def photos(seed: int, count: int, channels: int = 1) -> np.ndarray:
    """Smooth photos with grain, (n, c, h, w)."""
    random = np.random.default_rng(seed)
    drawn = ndimage.gaussian_filter(random.normal(size=(count, channels, HEIGHT, WIDTH)), (0, 0, 3, 3)) * 200 + 120
    return np.clip(drawn + random.normal(size=drawn.shape) * 2, 0, 255).round().astype(np.uint8)


def image_set(images: np.ndarray) -> ImageSet:
    pixels = [np.ascontiguousarray(image[0]) for image in images]
    names = tuple(map(str, range(len(pixels))))
    return ImageSet(names, tuple(map(pixels_sha256, pixels)), 8, pixels.__getitem__, None, 1)


def score(samples: np.ndarray, training: np.ndarray, heldout: np.ndarray | None = None) -> verbatim.Score:
    known = image_set(training)
    unseen = image_set(training[:0] if heldout is None else heldout)
    sources = (None,) * len(samples)
    return verbatim.score(ImageSets(image_set(samples), known, known, unseen, sources, lambda _: {}, lambda *_: None))


def brute_force(image: np.ndarray, known: np.ndarray) -> float:
    """Every photo at every shift."""
    most = 0
    for photo in known:
        for down in range(-REACH_PX, REACH_PX + 1):
            for right in range(-REACH_PX, REACH_PX + 1):
                moved = np.full(photo.shape, -1, np.int16)
                inside = np.roll(photo, (down, right), (1, 2)).astype(np.int16)
                rows = slice(max(down, 0), HEIGHT + min(down, 0))
                columns = slice(max(right, 0), WIDTH + min(right, 0))
                moved[:, rows, columns] = inside[:, rows, columns]
                areas, count = ndimage.label((image == moved).all(0))
                most = max([most, *np.bincount(areas.ravel())[1 : count + 1]])
    return most / (HEIGHT * WIDTH)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_collage_is_measured_as_by_trying_every_shift(channels: int) -> None:
    known = photos(0, 3, channels)
    collage = photos(1, 1, channels)[0]
    collage[:, 5:30, 9:50] = known[1][:, 16:41, 2:43]  # 11 px up and 7 px right of where it was
    collage[:, 34:54, 10:40] = known[2][:, 34:54, 10:40]
    (found,) = verbatim_shares(collage[None], known)
    assert found == brute_force(collage, known)
    assert found == pytest.approx(25 * 41 / (HEIGHT * WIDTH), rel=0.02)  # and what is equal beside it by chance


def test_copies_score_one_new_images_zero_and_a_mixture_its_share() -> None:
    known, new = photos(0, 4), photos(1, 12)
    copied = score(known, known, photos(2, 3))
    assert copied.value == copied.high == 1 and copied.details["above_heldout"] == 1
    fresh = score(new, known, photos(2, 3))
    assert fresh.value == fresh.low == fresh.details["largest"] == fresh.details["heldout_photos"] == 0
    mixed = score(np.concatenate([new, known]), known, photos(2, 3))
    assert mixed.value == mixed.details["above_heldout"] == 0.25 and mixed.details["largest"] == 1


def test_a_copy_moved_further_than_the_reach_or_changed_in_any_way_is_not_verbatim() -> None:
    known = photos(0, 2)
    for changed in (known[0] + 1, known[0][:, :, ::-1], np.roll(known[0], REACH_PX + 1, 1)):
        assert verbatim_shares(changed[None], known).tolist() == [0]
    inside = (HEIGHT - REACH_PX) / HEIGHT
    assert verbatim_shares(np.roll(known[0], REACH_PX, 1)[None], known).tolist() == [pytest.approx(inside)]


def test_what_photos_have_in_common_anyway_is_told_beside_it() -> None:
    """A label of the station is the same on every photo: to show it is to copy no more than photos do."""
    label = photos(9, 1)[0, :, :24, :30]
    known, unseen, samples = (photos(seed, 4) for seed in (0, 1, 2))
    for side in (known, unseen, samples):
        side[:, :, 8:32, 20:50] = label
    found = score(samples, known, unseen)
    assert found.value == pytest.approx(24 * 30 / (HEIGHT * WIDTH), rel=0.05)
    assert found.details["heldout_photos"] == pytest.approx(found.value, rel=0.05)


def test_flat_areas_are_no_copies() -> None:
    known, samples = photos(0, 2), photos(1, 2)
    for side in (known, samples):
        side[:, :, 10:40] = 255
    assert score(samples, known).value == 0


def test_one_photo_is_enough_and_nothing_found_in_few_samples_proves_little() -> None:
    known = photos(0, 1)
    found = score(photos(1, 100), known)
    assert found.n_reference == 1 and "No held-out photos" in found.notes[0]
    assert (found.value, found.low) == (0, 0) and found.high == pytest.approx(0.0362, abs=1e-4)
    half = known.copy()
    half[:, :, HEIGHT // 2 :] = photos(1, 1)[:, :, HEIGHT // 2 :]
    assert score(half, known).value == pytest.approx(0.5, rel=0.02)


def test_images_smaller_than_a_patch_are_refused() -> None:
    with pytest.raises(UserError) as error:
        score(photos(1, 2)[..., :6], photos(0, 2)[..., :6])
    assert "6x56 px" in error.value.what and "8x8 px" in error.value.allowed
