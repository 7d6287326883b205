"""Classical augmentation: what it moves, and that masks move along."""

from __future__ import annotations

import pytest
import torch

from handful.inspection.augment import augment_batch


def squares(count: int = 16) -> tuple[torch.Tensor, torch.Tensor]:
    """A bright 12 x 8 block off the centre of a dark 40 x 56 image, and its mask."""
    masks = torch.zeros(count, 40, 56, dtype=torch.uint8)
    masks[:, 8:20, 30:38] = 2
    return (masks[:, None] > 0).float() - 0.5, masks


def test_strength_0_moves_nothing() -> None:
    images, masks = squares()
    same, outlines = augment_batch(images, masks, 0.0, "none", torch.Generator().manual_seed(0))
    torch.testing.assert_close(same, images)
    assert outlines is not None and torch.equal(outlines, masks)


@pytest.mark.parametrize("mirror", ["none", "both"])
def test_masks_move_with_their_images(mirror: str) -> None:
    images, masks = squares()
    moved, outlines = augment_batch(images, masks, 2.0, mirror, torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    assert outlines is not None and outlines.dtype == torch.uint8 and set(outlines.unique().tolist()) == {0, 2}
    assert not torch.equal(outlines, masks)
    middle = (moved.amax((1, 2, 3), keepdim=True) + moved.amin((1, 2, 3), keepdim=True)) / 2
    overlap = ((moved[:, 0] > middle[:, 0]) & (outlines > 0)).sum((1, 2)) / (outlines > 0).sum((1, 2))
    assert (overlap > 0.8).all(), overlap
    # a turn keeps areas, also where sides differ: zooms are at most 12 % a side here
    areas = (outlines > 0).sum((1, 2)) / (masks > 0).sum((1, 2))
    assert ((areas > 0.7) & (areas < 1.4)).all(), areas


def test_mirrors_are_those_asked_for() -> None:
    images, _ = squares()
    wanted = {
        "horizontal": [images[0], images[0].flip(2)],
        "vertical": [images[0], images[0].flip(1)],
        "both": [images[0], images[0].flip(1), images[0].flip(2), images[0].flip(1, 2)],
    }
    for mirror, pictures in wanted.items():
        found, _ = augment_batch(images, None, 0.0, mirror, torch.Generator().manual_seed(0))  # type: ignore[arg-type]
        which = [[torch.allclose(one, picture, atol=1e-4) for picture in pictures].index(True) for one in found]
        assert set(which) == set(range(len(pictures))), mirror


def test_each_image_draws_its_own_and_the_stream_decides() -> None:
    images, _ = squares()
    first, again, other = (
        augment_batch(images, None, 1.0, "none", torch.Generator().manual_seed(seed))[0] for seed in (0, 0, 1)
    )
    assert torch.equal(first, again) and not torch.equal(first, other) and not torch.equal(first[0], first[1])
    assert first.min() >= -1 and first.max() <= 1
