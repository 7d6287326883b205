"""Which photos a step sees."""

from __future__ import annotations

import torch
from torch import Tensor

from handful.core.seeds import torch_stream


def batch_indices(seed: int, step: int, batch: int, photos: int) -> Tensor:
    """Indices (batch,) of the photos in this step's batch.

    The order of photos is an endless chain of shuffled epochs, and step t takes places t*batch ... of it. So
    every photo is seen equally often (to within one) whatever the batch size, no photo is dropped at an
    epoch's end, and a resumed run needs to know nothing but the step.
    """
    start = step * batch
    first_epoch, last_epoch = start // photos, (start + batch - 1) // photos
    order = torch.cat(
        [
            torch.randperm(photos, generator=torch_stream(seed, "epoch order", epoch))
            for epoch in range(first_epoch, last_epoch + 1)
        ]
    )
    offset = start - first_epoch * photos
    return order[offset : offset + batch]
