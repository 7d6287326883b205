"""The order of photos: fair, endless, and known from the step alone."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from handful.train.batches import batch_indices


@pytest.mark.parametrize("photos", [1, 2, 7, 40, 100])
@pytest.mark.parametrize("batch", [1, 3, 16, 64, 250])
def test_every_photo_is_seen_equally_often_to_within_one_after_every_step(photos: int, batch: int) -> None:
    seen = Counter(dict.fromkeys(range(photos), 0))
    for step in range(12):
        indices = batch_indices(3, step, batch, photos)
        assert indices.shape == (batch,)
        seen.update(indices.tolist())
        assert max(seen.values()) - min(seen.values()) <= 1


def test_the_batch_size_cuts_one_and_the_same_order() -> None:
    small = torch.cat([batch_indices(3, step, 4, 10) for step in range(15)])
    large = torch.cat([batch_indices(3, step, 30, 10) for step in range(2)])
    assert torch.equal(small, large)


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = {tuple(batch_indices(seed, epoch, 20, 20).tolist()) for seed in range(3) for epoch in range(3)}
    assert len(orders) == 9
