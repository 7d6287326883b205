"""What inspectors trained by gradient share, on known answers."""

from __future__ import annotations

import numpy as np
import torch

from handful.inspection.gradient import balanced_shares, hide_unseen


def test_good_images_have_half_of_a_batch_and_kinds_share_the_rest() -> None:
    labels = np.array([0, 0, 0, 0, 1, 3, 3])
    np.testing.assert_allclose(balanced_shares(labels, None), [1 / 8] * 4 + [1 / 4] + [1 / 8] * 2)
    weights = np.array([1, 1, 1, 5, 9, 1, 3])
    np.testing.assert_allclose(balanced_shares(labels, weights), [1 / 16] * 3 + [5 / 16, 1 / 4, 1 / 16, 3 / 16])
    np.testing.assert_allclose(balanced_shares(np.zeros(4, int), None), [1 / 4] * 4)


def test_a_class_never_seen_has_probability_0() -> None:
    chances = torch.softmax(hide_unseen(torch.zeros(2, 4, 3), {0, 2}), dim=1)
    assert chances[:, :, 0].tolist() == [[0.5, 0, 0.5, 0]] * 2
